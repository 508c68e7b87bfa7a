//! A receiver on this machine that accepts every request and stores nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// An HTTP server on the loopback interface, which lives as long as the process.
///
/// The server answers each request with 200 and an empty message, like an OTLP receiver that accepted everything, and
/// keeps the connection open. It reads bodies with a `Content-Length`, which both sides of the comparison send.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// The response to every request. A body without bytes is an OTLP response without fields.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

impl Sink {
    /// Starts to listen.
    ///
    /// # Panics
    ///
    /// Panics if this machine has no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("the listener is bound");
        let counts = Arc::new(Counts::default());
        let counting = counts.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counts = counting.clone();
                // When a client disconnects, only its connection ends.
                thread::spawn(move || serve(stream, &counts));
            }
        });
        Self { address, counts }
    }

    /// Returns the URL to post metrics to.
    pub fn url(&self) -> String {
        format!("http://{}/v1/metrics", self.address)
    }

    /// Returns the number of requests answered so far.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Relaxed)
    }

    /// Returns the number of body bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Relaxed)
    }
}

fn serve(stream: TcpStream, counts: &Counts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::with_capacity(64 * 1024, stream);
    while let Some(length) = head(&mut requests)? {
        let read = io::copy(&mut requests.by_ref().take(length), &mut io::sink())?;
        counts.bytes.fetch_add(read, Relaxed);
        counts.requests.fetch_add(1, Relaxed);
        answers.write_all(ANSWER)?;
    }
    Ok(())
}

/// Reads a request up to its body. Returns the length of the body, or `None` at the end of the connection.
fn head(requests: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = None;
    let mut line = String::new();
    loop {
        line.clear();
        if requests.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            let unknown = || io::Error::other("a request without Content-Length");
            return length.ok_or_else(unknown).map(Some);
        }
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_takes_one_request_after_the_other() {
        let sink = Sink::start();
        let mut stream = TcpStream::connect(sink.address).unwrap();
        for request in 1..=3 {
            stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd").unwrap();
            let mut answer = [0; ANSWER.len()];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, ANSWER);
            assert_eq!((sink.requests(), sink.bytes()), (request, 4 * request));
        }
    }
}

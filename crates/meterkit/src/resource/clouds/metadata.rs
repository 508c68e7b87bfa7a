//! Requests to the metadata server of a cloud, which is reachable only from its own machines.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A request to a metadata server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resource) struct Question {
    pub(in crate::resource) method: &'static str,
    /// The host and the port.
    pub(in crate::resource) address: String,
    pub(in crate::resource) path: String,
    pub(in crate::resource) headers: Vec<(&'static str, String)>,
}

/// The time that one answer may take.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The maximum size of an answer in bytes.
const MOST_BYTES: usize = 64 * 1024;

impl Question {
    pub(super) fn get(address: &str, path: &str) -> Self {
        let (address, path) = (address.to_owned(), path.to_owned());
        Self { method: "GET", address, path, headers: Vec::new() }
    }

    pub(super) fn put(self) -> Self {
        Self { method: "PUT", ..self }
    }

    pub(super) fn with(mut self, (name, value): (&'static str, &str)) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// Returns the body of the answer, if it arrives in time with status 200.
///
/// Uses HTTP/1.0, which all metadata servers support and which needs no HTTP client, because the body is never chunked.
pub(in crate::resource) fn ask(question: &Question) -> Option<String> {
    let Question { method, address, path, headers } = question;
    let deadline = Instant::now() + TIMEOUT;
    let left = || deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    let address_of_it = address.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address_of_it, left()?).ok()?;
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.set_write_timeout(Some(left()?)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !is_complete(&answer) {
        stream.set_read_timeout(Some(left()?)).ok()?;
        match stream.read(&mut piece).ok()? {
            0 => break,
            _ if answer.len() > MOST_BYTES => return None,
            read => answer.extend_from_slice(piece.get(..read)?),
        }
    }
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1)? == "200").then(|| body.to_owned())
}

/// Returns whether the answer is as long as its `Content-Length`. An answer without one ends with the connection.
fn is_complete(answer: &[u8]) -> bool {
    let length = || {
        let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        Some(body.len() >= lengths.next()?.1.trim().parse().ok()?)
    };
    length().unwrap_or_default()
}

//! A receiver that answers with arbitrary bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(Vec::new()));
        let shared = answer.clone();
        // The thread ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = shared.lock().expect("no panic").clone();
                std::thread::spawn(move || serve(stream, &answer));
            }
        });
        Self { address, answer }
    }

    pub(crate) fn answer_with(&self, bytes: &[u8]) {
        *self.answer.lock().expect("no panic") = bytes.to_vec();
    }
}

/// Answers once the request pauses: closing a socket with unread data would discard the answer.
fn serve(mut stream: TcpStream, answer: &[u8]) {
    let mut buffer = [0; 64 * 1024];
    let mut wait = Duration::from_secs(5);
    loop {
        let _ = stream.set_read_timeout(Some(wait));
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(_) => wait = Duration::from_millis(2),
        }
    }
    let _ = stream.write_all(answer);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    while stream.read(&mut buffer).is_ok_and(|size| size > 0) {}
}

//! Sends HTTP requests as a client does.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Returns the body of `GET /metrics`, and fails unless the status is 200.
pub(crate) fn scrape(address: SocketAddr) -> io::Result<String> {
    get(address, "/metrics")
}

/// Returns the body of a path, and fails unless the status is 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let answer = answer(address, path)?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    Ok(body.to_owned())
}

/// Returns the whole answer to a request for a path.
pub(crate) fn answer(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

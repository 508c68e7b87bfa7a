//! An HTTP client that sends exactly the bytes it is given, and parses responses.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::checker::{Exposition, checked};

/// Longer than any response takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The headers, with names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Returns the content of a successful scrape, which must be valid.
    #[track_caller]
    pub(crate) fn exposition(&self) -> Exposition {
        assert_eq!(self.status, 200, "{self:?}");
        checked(self.text())
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    /// Opens a connection with a small receive buffer.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::new(socket.connect(address).await.unwrap())
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends a request without a body and reads the response.
    pub(crate) async fn request(&mut self, method: &str, path: &str) -> io::Result<Answer> {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await?;
        self.answer(method).await
    }

    /// Reads the next response. Returns an error of kind `UnexpectedEof` if the connection ends within the response,
    /// and one of kind `ConnectionAborted` if it ends before the first byte.
    pub(crate) async fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let head = loop {
            match self.received.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(end) => break self.received.drain(..end + 4).collect::<Vec<_>>(),
                None => self.receive().await?,
            }
        };
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().unwrap();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let is_chunked = headers.get("transfer-encoding").is_some_and(|it| it == "chunked");
        let body = match method {
            "HEAD" => Vec::new(),
            _ if is_chunked => self.chunks().await?,
            _ => self.take(length).await?,
        };
        Ok(Answer { status: status.unwrap_or_else(|| panic!("{first}")), headers, body })
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.received.windows(2).position(|end| end == b"\r\n") {
                    Some(end) => break self.take(end + 2).await?,
                    None => self.receive().await.map_err(|_| ErrorKind::UnexpectedEof)?,
                }
            };
            let length = std::str::from_utf8(&line).unwrap().trim_end();
            let length = usize::from_str_radix(length, 16).unwrap();
            let chunk = self.take(length + 2).await?;
            assert!(chunk.ends_with(b"\r\n"));
            body.extend_from_slice(&chunk[..length]);
            if length == 0 {
                return Ok(body);
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < length {
            self.receive().await.map_err(|_| ErrorKind::UnexpectedEof)?;
        }
        Ok(self.received.drain(..length).collect())
    }

    /// Sends a `GET` with further header lines and reads the response.
    pub(crate) async fn get_with(&mut self, lines: &str) -> io::Result<Answer> {
        self.send(format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")).await?;
        self.answer("GET").await
    }

    /// Reads a few of the received bytes.
    pub(crate) async fn receive_some(&mut self) {
        self.receive().await.unwrap();
    }

    /// Reads a few of the received bytes, unless the connection has ended.
    pub(crate) async fn try_receive_some(&mut self) -> io::Result<()> {
        self.receive().await
    }

    async fn receive(&mut self) -> io::Result<()> {
        let read = self.stream.read_buf(&mut self.received);
        match timeout(PATIENCE, read).await.expect("an answer in time") {
            Ok(0) if self.received.is_empty() => Err(ErrorKind::ConnectionAborted.into()),
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads until the server ends the connection, and returns the remaining bytes.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        // A reset is an end too.
        while self.receive().await.is_ok() {}
        std::mem::take(&mut self.received)
    }
}

/// Scrapes on a new connection.
pub(crate) async fn scrape(address: SocketAddr) -> io::Result<Answer> {
    let mut connection = Connection::new(TcpStream::connect(address).await?);
    connection.request("GET", "/metrics").await
}

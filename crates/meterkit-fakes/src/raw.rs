//! A server that misbehaves, and a proxy: they send exactly the bytes that a test specifies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::server::{ANY, Connection, Server};

/// A server that keeps the head of the first request of each connection. The server stops when this is dropped.
#[derive(Debug)]
pub struct RawServer {
    server: Server,
    heads: Arc<Mutex<Vec<String>>>,
}

/// The server's action on a connection.
#[derive(Clone, Debug)]
enum Behavior {
    /// Sends these bytes, and closes the connection.
    Say(Bytes),
    /// Forwards the connection to this address, whatever destination was requested.
    PassOn(SocketAddr),
}

impl RawServer {
    /// Starts a server that sends the same bytes on every connection.
    pub async fn saying(answer: impl Into<Bytes>) -> Self {
        Self::start(Behavior::Say(answer.into()), None).await
    }

    /// Like [`saying`](Self::saying), with TLS.
    pub async fn saying_with_tls(answer: impl Into<Bytes>, tls: TlsAcceptor) -> Self {
        Self::start(Behavior::Say(answer.into()), Some(tls)).await
    }

    /// Starts a receiver that accepts everything.
    pub async fn accepting() -> Self {
        Self::saying(OK).await
    }

    /// Like [`accepting`](Self::accepting), with TLS.
    pub async fn accepting_with_tls(tls: TlsAcceptor) -> Self {
        Self::saying_with_tls(OK, tls).await
    }

    /// Starts a proxy that always connects to this receiver, whatever destination is requested.
    pub async fn proxy_to(receiver: SocketAddr) -> Self {
        Self::start(Behavior::PassOn(receiver), None).await
    }

    async fn start(behavior: Behavior, tls: Option<TlsAcceptor>) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let shared = heads.clone();
        // The server does not support HTTP/2.
        let tls = tls.map(|tls| {
            let mut config = ServerConfig::clone(tls.config());
            config.alpn_protocols.clear();
            TlsAcceptor::from(Arc::new(config))
        });
        let serve = move |stream, _| serve(stream, behavior.clone(), shared.clone());
        Self { server: Server::listen(ANY, tls, serve).await, heads }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the URL of the server, without a path.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Returns the heads of the received requests, with header names in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Closes the port and all connections, and returns the address that the server listened on.
    pub async fn stop(self) -> SocketAddr {
        self.server.stop().await
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn serve(
    mut stream: Box<dyn Connection>,
    behavior: Behavior,
    heads: Arc<Mutex<Vec<String>>>,
) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return,
        }
    }
    let head = with_lower_case_names(&String::from_utf8_lossy(&bytes));
    heads.lock().unwrap().push(head.clone());
    match behavior {
        Behavior::Say(answer) => {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |it| it.parse().expect("a number"));
            let _ = stream.read_exact(&mut vec![0; length]).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
        Behavior::PassOn(address) => {
            let mut onward = TcpStream::connect(address).await.expect("the receiver");
            let begun = match bytes.starts_with(b"CONNECT ") {
                true => stream.write_all(b"HTTP/1.1 200 Go Ahead\r\n\r\n").await,
                false => onward.write_all(&bytes).await,
            };
            if begun.is_ok() {
                let _ = copy_bidirectional(&mut stream, &mut onward).await;
            }
        }
    }
}

fn with_lower_case_names(head: &str) -> String {
    let lines = head.split_inclusive("\r\n").map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.to_owned(),
    });
    lines.collect()
}

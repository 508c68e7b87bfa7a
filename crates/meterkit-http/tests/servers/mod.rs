//! A proxy and a receiver on this machine, which tell what they got.
#![allow(dead_code, reason = "without TLS, a part of it is not needed")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A server. It ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    certificate: Vec<u8>,
    heads: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends this, and closes the connection.
    Text(&'static str),
    /// Makes a tunnel to this address, wherever it is asked to.
    Tunnel(SocketAddr),
}

impl Server {
    async fn listen(answer: Answer, name: Option<&str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (certificate, tls) = match name {
            None => (Vec::new(), None),
            Some(name) => {
                let (certificate, acceptor) = certificate(name);
                (certificate, Some(acceptor))
            }
        };
        let heads = Arc::new(Mutex::new(Vec::new()));
        let shared = heads.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, heads) = (tls.clone(), shared.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, answer, &heads).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, &heads).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, certificate, heads, tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificate as PEM, which is its own authority.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.certificate.clone()
    }

    /// The heads of requests that arrived, with the names of headers in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Closes the port.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }
}

/// A proxy that says the same to everyone.
pub(crate) struct Proxy;

impl Proxy {
    pub(crate) async fn start(answer: &'static str) -> Server {
        Server::listen(Answer::Text(answer), None).await
    }

    pub(crate) async fn start_with_tls(answer: &'static str) -> Server {
        Server::listen(Answer::Text(answer), Some("localhost")).await
    }

    pub(crate) async fn start_tunnelling_to(address: SocketAddr) -> Server {
        Server::listen(Answer::Tunnel(address), None).await
    }
}

/// A receiver that takes everything.
pub(crate) struct Receiver;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Receiver {
    pub(crate) async fn start() -> Server {
        Server::listen(Answer::Text(OK), None).await
    }

    pub(crate) async fn start_with_tls(name: &str) -> Server {
        Server::listen(Answer::Text(OK), Some(name)).await
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    heads: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = with_lower_case_names(&String::from_utf8_lossy(&head));
    let has_body = head.contains("content-length: 7\r\n");
    heads.lock().unwrap().push(head);
    if has_body {
        let mut body = [0; 7];
        let _ = stream.read_exact(&mut body).await;
    }
    match answer {
        Answer::Text(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Answer::Tunnel(address) => {
            let mut onward = TcpStream::connect(address).await.expect("the receiver");
            let _ = stream.write_all(b"HTTP/1.1 200 Go Ahead\r\n\r\n").await;
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
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

/// A certificate for `name` as PEM, and what shows it.
pub(crate) fn certificate(name: &str) -> (Vec<u8>, TlsAcceptor) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("they belong together");
    (certificate.pem().into_bytes(), TlsAcceptor::from(Arc::new(config)))
}

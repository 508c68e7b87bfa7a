//! Exports by way of a proxy, in all protocols.

mod receiver;
mod snapshots;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use meterkit_otlp::{OtlpTarget, Protocol, Proxies, Transport};
use meterkit_pipeline::{ExportError, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::receiver::Receiver;
use self::snapshots::{ALL, config, snapshot};

/// A proxy that goes to one receiver whatever it is asked for. It ends when this is dropped.
struct Proxy {
    address: SocketAddr,
    /// Of each connection, the first request.
    heads: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Proxy {
    async fn start(receiver: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let shared = heads.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass_on(stream, receiver, shared.clone()));
            }
        });
        Self { address, heads, tasks }
    }

    fn proxies(&self) -> Proxies {
        let url = format!("http://me:hunter2@{}", self.address);
        let proxies = Proxies::default().with_http(&url).and_then(|it| it.with_https(&url));
        proxies.expect("a proxy")
    }

    fn transport(&self) -> Transport {
        Transport::default().with_proxies(self.proxies())
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn pass_on(mut stream: TcpStream, receiver: SocketAddr, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let mut onward = TcpStream::connect(receiver).await.expect("the receiver");
    let begun = if head.starts_with(b"CONNECT ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await
    } else {
        onward.write_all(&head).await
    };
    if begun.is_ok() {
        let _ = copy_bidirectional(&mut stream, &mut onward).await;
    }
}

#[tokio::test]
async fn each_protocol_goes_through_a_proxy_that_is_given() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let proxy = Proxy::start(receiver.address()).await;
        let config = config(protocol, &receiver).with_transport(proxy.transport());
        let mut target = OtlpTarget::new(config).expect("a target");
        for second in [1, 2] {
            assert_eq!(target.export(&snapshot(second, &[1])).await, Ok(()), "{protocol}");
        }
        assert_eq!(receiver.accepted().len(), 2);
        let heads = proxy.heads();
        let [head] = &*heads else { panic!("{protocol}: {heads:?}") };
        let host = format!("localhost:{}", receiver.address().port());
        let start = match protocol {
            Protocol::Grpc => format!("CONNECT {host} HTTP/1.1\r\n"),
            _ => format!("POST http://{host}/v1/metrics HTTP/1.1\r\n"),
        };
        assert!(head.starts_with(&start), "{head}");
        assert!(head.to_lowercase().contains("\r\nproxy-authorization: basic "), "{head}");
        assert!(!format!("{target:?}").contains("hunter2"), "{target:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_excepted_is_reached_without_proxy() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let proxy = Proxy::start(receiver.address()).await;
        let proxies = proxy.proxies().with_direct("localhost");
        let transport = Transport::default().with_proxies(proxies);
        let config = config(protocol, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "{protocol}");
        assert_eq!(proxy.heads(), Vec::<String>::new(), "{protocol}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn encrypted_exports_go_through_a_tunnel() {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("they belong together");
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    for protocol in ALL {
        let receiver = Receiver::start_with_tls(acceptor.clone()).await;
        let proxy = Proxy::start(receiver.address()).await;
        let transport = proxy.transport().with_certificate_authorities(certificate.pem());
        let config = config(protocol, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "{protocol}");
        let heads = proxy.heads();
        let [head] = &*heads else { panic!("{protocol}: {heads:?}") };
        let start = format!("CONNECT localhost:{} HTTP/1.1\r\n", receiver.address().port());
        assert!(head.starts_with(&start), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_the_export_is_tried_again() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let mut proxy = Proxy::start(receiver.address()).await;
        let (address, transport) = (proxy.address, proxy.transport());
        proxy.tasks.shutdown().await;
        let config = config(protocol, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        let error = target.export(&snapshot(1, &[1])).await.expect_err("nobody listens");
        assert!(matches!(error, ExportError::Retryable { .. }), "{error}");
        let error = error.to_string();
        let name = format!("no connection through the proxy `http://{address}`");
        assert!(error.contains(&name) && !error.contains("hunter2"), "{error}");
    }
}

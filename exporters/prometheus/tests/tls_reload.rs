//! Certificates that are renewed while the endpoint runs.
#![cfg(feature = "tls")]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::served::Served;
use meterkit_core::Registry;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::tls::Authority;
use meterkit_prometheus::{PrometheusServer, ServerTls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A directory with the PEM files of an endpoint.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn issue(&self, authority: &Authority) {
        let identity = authority.issue("localhost");
        self.write("certificate", &identity.pem());
        self.write("key", &identity.key_pem());
    }

    fn tls(&self) -> ServerTls {
        ServerTls::from_files(self.path("certificate"), self.path("key"))
    }
}

fn start(tls: ServerTls) -> Served {
    let registry = Registry::new();
    registry.semconv("s").counter::<u64>("hits").build().unwrap().add(7);
    Served::start(&registry, |server| server.tls(tls))
}

async fn scrape(address: SocketAddr, config: ClientConfig) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let (old, new, files) = (Authority::new(), Authority::new(), Files::new());
    files.issue(&old);
    let served = start(files.tls());
    scrape(served.address, old.client(None)).await.unwrap();
    assert!(scrape(served.address, new.client(None)).await.is_err());
    files.issue(&new);
    scrape(served.address, new.client(None)).await.unwrap();
    assert!(scrape(served.address, old.client(None)).await.is_err());
    served.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_previous_certificate_in_place() {
    let (old, new, files) = (Authority::new(), Authority::new(), Files::new());
    files.issue(&old);
    let served = start(files.tls());
    let renewed = new.issue("localhost");
    files.write("certificate", &renewed.pem());
    scrape(served.address, old.client(None)).await.expect("the key is still the old one");
    files.write("key", "no key");
    scrape(served.address, old.client(None)).await.unwrap();
    fs::remove_file(files.path("key")).unwrap();
    scrape(served.address, old.client(None)).await.unwrap();
    files.write("key", &renewed.key_pem());
    scrape(served.address, new.client(None)).await.unwrap();
    served.stop().await;
}

#[tokio::test]
async fn the_authorities_of_clients_are_renewed_too() {
    let authority = Authority::new();
    let (old, new, files) = (Authority::new(), Authority::new(), Files::new());
    files.issue(&authority);
    files.write("clients", &old.pem());
    let served = start(files.tls().client_authorities_file(files.path("clients")));
    let [of_old, of_new] = [&old, &new].map(|it| it.issue("prometheus"));
    scrape(served.address, authority.client(Some(&of_old))).await.unwrap();
    files.write("clients", &new.pem());
    scrape(served.address, authority.client(Some(&of_new))).await.unwrap();
    assert!(scrape(served.address, authority.client(Some(&of_old))).await.is_err());
    files.write("clients", "none");
    scrape(served.address, authority.client(Some(&of_new))).await.unwrap();
    assert!(scrape(served.address, authority.client(Some(&of_old))).await.is_err());
    served.stop().await;
}

#[test]
fn what_becomes_of_new_files_is_logged_once() {
    if rerun("what_becomes_of_new_files_is_logged_once", &[]).is_some() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ((), lines) = log_lines::of_all_threads(|| {
        runtime.block_on(async {
            let (old, files) = (Authority::new(), Files::new());
            files.issue(&old);
            let served = start(files.tls());
            files.write("certificate", "none");
            for _ in 0..2 {
                scrape(served.address, old.client(None)).await.unwrap();
            }
            files.issue(&old);
            for _ in 0..2 {
                scrape(served.address, old.client(None)).await.unwrap();
            }
            served.stop().await;
        });
    });
    let lines: Vec<_> = lines.iter().filter(|line| line.contains("TLS")).collect();
    let [kept, reloaded] = &*lines else { panic!("{lines:?}") };
    assert!(
        kept.starts_with("ERROR scrape endpoint keeps its previous TLS certificates"),
        "{kept}"
    );
    assert!(kept.contains("the certificate of the scrape endpoint cannot be read"), "{kept}");
    assert!(reloaded.starts_with("INFO scrape endpoint reloaded its TLS"), "{reloaded}");
}

#[test]
fn a_file_that_cannot_be_read_at_the_start_is_an_error_that_names_it() {
    let files = Files::new();
    files.issue(&Authority::new());
    let bind = |tls| PrometheusServer::new().host("127.0.0.1").port(0).tls(tls).bind();
    bind(files.tls()).unwrap();
    let missing = ServerTls::from_files(files.path("certificate"), files.path("none"));
    let error = bind(missing).unwrap_err().to_string();
    assert!(error.starts_with("the private key of the scrape endpoint in "), "{error}");
    assert!(error.contains("none cannot be read ("), "{error}");
}

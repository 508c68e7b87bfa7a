//! A scrape endpoint that requires credentials and is served over HTTPS, as an operator configures it.
#![cfg(feature = "prometheus")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use meterkit::prometheus::PrometheusServer;
use meterkit::{Registry, Telemetry};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;

/// `prometheus:open sesame`
const RIGHT: &str = "Authorization: Basic cHJvbWV0aGV1czpvcGVuIHNlc2FtZQ==\r\n";

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it is no zero");
    stream
}

/// Returns the whole answer to a scrape with these headers.
fn ask(stream: impl Read + Write, headers: &str) -> io::Result<String> {
    ask_as(stream, "localhost", headers)
}

/// Returns the whole answer to a scrape of this host.
fn ask_as(mut stream: impl Read + Write, host: &str, headers: &str) -> io::Result<String> {
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn variables_make_the_endpoint_require_a_username_and_password() {
    let name = "variables_make_the_endpoint_require_a_username_and_password";
    let password = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(password.path(), "open sesame\n").expect("room for it");
    let path = password.path().to_str().expect("a path of letters");
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("METERKIT_PROMETHEUS_USERNAME", "prometheus"),
        ("METERKIT_PROMETHEUS_PASSWORD_FILE", path),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let (telemetry, lines) =
        log_lines::of(|| Telemetry::from_env().unwrap().install().expect("it has all it needs"));
    let warned = lines.iter().any(|line| line.starts_with("WARN") || line.contains("sesame"));
    assert!(!warned, "an endpoint on localhost needs no warning: {lines:?}");
    let address = telemetry.prometheus_address().expect("it has an endpoint");
    let refused = ask(open(address), "").unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let lower = refused.to_ascii_lowercase();
    assert!(lower.contains("www-authenticate: basic realm=\"metrics\"\r\n"), "{refused}");
    assert!(!refused.contains("target_info"), "{refused}");
    let answer = ask(open(address), RIGHT).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("target_info{"), "{answer}");
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_rotated_password_counts_at_once_and_a_bad_one_changes_nothing() {
    /// `prometheus:second`
    const SECOND: &str = "Authorization: Basic cHJvbWV0aGV1czpzZWNvbmQ=\r\n";
    let name = "a_rotated_password_counts_at_once_and_a_bad_one_changes_nothing";
    let password = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(password.path(), "open sesame\n").expect("room for it");
    let path = password.path().to_str().expect("a path of letters");
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("METERKIT_PROMETHEUS_USERNAME", "prometheus"),
        ("METERKIT_PROMETHEUS_PASSWORD_FILE", path),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let path = std::env::var_os("METERKIT_PROMETHEUS_PASSWORD_FILE").expect("it is set");
    let ((), lines) = log_lines::of_all_threads(|| {
        let telemetry = Telemetry::from_env().unwrap().install().expect("it has all it needs");
        let address = telemetry.prometheus_address().expect("it has an endpoint");
        let is_served = |headers| ask(open(address), headers).unwrap().starts_with("HTTP/1.1 200 ");
        assert!(is_served(RIGHT));
        // A wrong password makes the endpoint check the file, once per second.
        let shows_until_a_look = |headers| {
            std::thread::sleep(Duration::from_millis(1100));
            is_served(headers)
        };
        for content in ["", "\u{7}hunter2"] {
            fs::write(&path, content).expect("room for it");
            assert!(!shows_until_a_look(SECOND));
            assert!(is_served(RIGHT), "the previous password stays in use");
        }
        fs::write(&path, "second\n").expect("room for it");
        assert!(shows_until_a_look(SECOND));
        assert!(!is_served(RIGHT));
        telemetry.shutdown_blocking().unwrap();
    });
    let variable = "METERKIT_PROMETHEUS_PASSWORD_FILE";
    let mut lines = lines.iter().filter(|line| line.contains(variable));
    for reason in ["the file is empty", "contains a control character"] {
        let line = lines.next().expect("a warning");
        assert!(line.starts_with("WARN a changed setting cannot be used"), "{line}");
        assert!(line.contains(reason) && !line.contains("hunter2"), "{line}");
    }
    let line = lines.next().expect("the reload");
    assert!(line.starts_with("INFO read a setting again"), "{line}");
    assert_eq!(lines.next(), None);
}

#[test]
fn variables_name_further_hosts_and_the_networks_that_may_connect() {
    let name = "variables_name_further_hosts_and_the_networks_that_may_connect";
    let networks = "METERKIT_PROMETHEUS_ALLOWED_NETWORKS";
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("METERKIT_PROMETHEUS_ALLOWED_HOSTS", "metrics.example, 10.0.0.1"),
    ];
    for (allowed, is_allowed) in [("127.0.0.0/8, ::1", "yes"), ("10.0.0.0/8", "no")] {
        let further = [(networks, allowed), ("TEST_IS_ALLOWED", is_allowed)];
        if rerun(name, &[&variables[..], &further].concat()).is_some() {
            continue;
        }
        let telemetry = Telemetry::from_env().unwrap().install().expect("it has all it needs");
        let address = telemetry.prometheus_address().expect("it has an endpoint");
        if std::env::var("TEST_IS_ALLOWED").unwrap() == "no" {
            let answer = ask(open(address), "").unwrap_or_default();
            assert_eq!(answer, "");
            return;
        }
        for (host, status) in [
            ("localhost", 200),
            ("metrics.example:9464", 200),
            ("10.0.0.1", 200),
            ("evil.example", 421),
        ] {
            let answer = ask_as(open(address), host, "").unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
        }
        return;
    }
}

#[test]
fn the_scrape_of_an_application_with_a_server_of_its_own_asks_for_nothing() {
    let server = PrometheusServer::new().host("127.0.0.1").port(0).bearer_token("s3cret");
    let builder = Telemetry::builder().registry(Registry::new()).prometheus(server);
    let telemetry = builder.install().expect("port 0 is always free");
    assert!(!telemetry.scrape().text_blocking().is_empty());
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn variables_protect_an_endpoint_of_code_that_has_no_credentials_of_its_own() {
    let name = "variables_protect_an_endpoint_of_code_that_has_no_credentials_of_its_own";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("METERKIT_PROMETHEUS_USERNAME", "prometheus"),
        ("METERKIT_PROMETHEUS_PASSWORD", "open sesame"),
        ("METERKIT_PROMETHEUS_TRANSLATION", "underscore_escaping_without_suffixes"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let token = "Authorization: Bearer s3cret\r\n";
    let bare = || PrometheusServer::new().host("127.0.0.1").port(0);
    for (server, shown, status) in [
        (bare(), "", 401),
        (bare(), RIGHT, 200),
        (bare().bearer_token("s3cret"), RIGHT, 401),
        (bare().bearer_token("s3cret"), token, 200),
    ] {
        let builder = Telemetry::from_env().unwrap().registry(Registry::new());
        let telemetry = builder.prometheus(server).install().expect("it has all it needs");
        let answer = ask(open(telemetry.prometheus_address().unwrap()), shown).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        telemetry.shutdown_blocking().unwrap();
    }

    // Without an endpoint, the application's own scrape has the configured names.
    let registry = Registry::new();
    let telemetry = Telemetry::from_env().unwrap().registry(registry.clone()).install().unwrap();
    assert_eq!(telemetry.prometheus_url(), None);
    let jobs = registry.scoped("plugin", "shop").counter::<u64>("jobs").build().unwrap();
    jobs.increment();
    let text = String::from_utf8(telemetry.scrape().text_blocking().to_vec()).unwrap();
    assert!(text.contains("\nbackstage_plugin_shop_jobs{"), "{text}");
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn invalid_protection_matters_only_if_there_is_an_endpoint() {
    let name = "invalid_protection_matters_only_if_there_is_an_endpoint";
    let variables =
        [("OTEL_METRICS_EXPORTER", "none"), ("METERKIT_PROMETHEUS_PASSWORD", "open sesame")];
    if rerun(name, &variables).is_some() {
        return;
    }
    let builder = || Telemetry::from_env().unwrap().registry(Registry::new());
    builder().install().expect("nobody reads them").shutdown_blocking().unwrap();
    let server = PrometheusServer::new().host("127.0.0.1").port(0);
    let error = builder().prometheus(server).install().unwrap_err().to_string();
    assert!(error.contains("METERKIT_PROMETHEUS_USERNAME: is not set, but "), "{error}");
    assert!(!error.contains("sesame"), "{error}");
}

#[test]
fn an_endpoint_that_cannot_be_protected_is_an_error_and_nothing_runs() {
    let server = || PrometheusServer::new().host("127.0.0.1").port(0);
    let registry = Registry::new();
    let tls = meterkit::prometheus::ServerTls::new("no certificate", "no key");
    for server in [server().basic_auth("me", ""), server().tls(tls)] {
        let refused = Telemetry::builder().registry(registry.clone()).prometheus(server).install();
        assert!(matches!(refused, Err(meterkit::InstallError::Prometheus(_))), "{refused:?}");
    }
    let telemetry = Telemetry::builder().registry(registry).prometheus(server()).install();
    telemetry.expect("the registry was left free").shutdown_blocking().unwrap();
}

#[cfg(feature = "prometheus-tls")]
mod https {
    use std::sync::Arc;

    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;

    type Encrypted = StreamOwned<ClientConnection, TcpStream>;

    /// Connects a client that trusts one certificate and presents another.
    fn encrypted(
        address: SocketAddr,
        trusts: &CertificateDer<'static>,
        shows: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Encrypted {
        let mut roots = RootCertStore::empty();
        roots.add(trusts.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(connection, open(address))
    }

    #[test]
    fn variables_make_the_endpoint_serve_https_to_clients_with_a_certificate() {
        let name = "https::variables_make_the_endpoint_serve_https_to_clients_with_a_certificate";
        let issue = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        if std::env::var_os("METERKIT_PROMETHEUS_TLS_KEY").is_none() {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
            let (server, client) = (issue(), issue());
            fs::write(path("server.der"), server.cert.der()).unwrap();
            fs::write(path("server.pem"), server.cert.pem()).unwrap();
            fs::write(path("server.key"), server.signing_key.serialize_pem()).unwrap();
            fs::write(path("client.der"), client.cert.der()).unwrap();
            fs::write(path("client.pem"), client.cert.pem()).unwrap();
            fs::write(path("client.key"), client.signing_key.serialize_der()).unwrap();
            let variables = [
                ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
                ("METERKIT_PROMETHEUS_BEARER_TOKEN", "s3cret"),
                ("METERKIT_PROMETHEUS_TLS_CERTIFICATE", &path("server.pem")),
                ("METERKIT_PROMETHEUS_TLS_KEY", &path("server.key")),
                ("METERKIT_PROMETHEUS_TLS_CLIENT_CA", &path("client.pem")),
                ("TEST_DIRECTORY", &path("")),
            ];
            assert!(rerun(name, &variables).is_some());
            return;
        }
        let directory = std::env::var("TEST_DIRECTORY").unwrap();
        let file = |name: &str| fs::read(format!("{directory}/{name}")).unwrap();
        let (telemetry, lines) =
            log_lines::of(|| Telemetry::from_env().unwrap().install().unwrap());
        let address = telemetry.prometheus_address().unwrap();
        let endpoint = format!(" endpoint=https://{address}/metrics");
        assert!(lines.iter().any(|line| line.ends_with(&endpoint)), "{lines:?}");
        assert!(!format!("{lines:?} {:?}", telemetry.health()).contains("s3cret"));

        let trusts = CertificateDer::from(file("server.der"));
        let key = PrivateKeyDer::try_from(file("client.key")).unwrap();
        let shows = Some((CertificateDer::from(file("client.der")), key));
        let token = "Authorization: Bearer s3cret\r\n";
        let answer = ask(encrypted(address, &trusts, shows), token).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("target_info{"), "{answer}");
        assert!(
            ask(encrypted(address, &trusts, None), token).is_err(),
            "the client presents no certificate"
        );
        let plain = ask(open(address), token).unwrap_or_default();
        assert!(!plain.contains("HTTP"), "{plain}");

        // Renew the files that the variables name.
        let renewed = issue();
        fs::write(format!("{directory}/server.pem"), renewed.cert.pem()).unwrap();
        fs::write(format!("{directory}/server.key"), renewed.signing_key.serialize_pem()).unwrap();
        let key = PrivateKeyDer::try_from(file("client.key")).unwrap();
        let shows = Some((CertificateDer::from(file("client.der")), key));
        let answer = ask(encrypted(address, renewed.cert.der(), shows), token).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        telemetry.shutdown_blocking().unwrap();
    }
}

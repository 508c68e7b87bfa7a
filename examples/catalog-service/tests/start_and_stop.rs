//! How the service starts and stops, and how it answers requests that it cannot serve.

use std::net::{Ipv4Addr, SocketAddr};

use catalog_service::{Config, Service, entity::Kind, load};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends a request and returns the complete response as text.
async fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_an_error_that_names_the_address() {
    let service = Service::start(Config::default()).await.unwrap();
    let config = Config { port: service.address().port(), ..Config::default() };

    let error = Service::start(config).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot listen on {}: ", service.address())),
        "{error}"
    );
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_on_all_addresses_names_one_that_clients_here_can_ask() {
    let config = Config { host: Ipv4Addr::UNSPECIFIED.into(), ..Config::default() };
    let service = Service::start(config).await.unwrap();

    assert_eq!(service.url(), format!("http://127.0.0.1:{}", service.address().port()));
    let answer = send(service.address(), "GET", "/catalog/entities", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("no/such/directory.sqlite");
    let config = Config { database: Some(file.clone()), ..Config::default() };

    let error = Service::start(config).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot open the database {}: ", file.display())),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_database_goes_when_the_service_stops() {
    let service = Service::start(Config::default()).await.unwrap();
    let file = service.database_file().to_owned();
    assert!(file.exists());

    service.stop().await.unwrap();
    assert!(!file.parent().unwrap().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_a_given_file_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        Config { database: Some(directory.path().join("catalog.sqlite")), ..Config::default() };

    let first = Service::start(config.clone()).await.unwrap();
    load::run(&first.url(), 60, 2).await.unwrap();
    let before = first.database().count_by_kind().await.unwrap();
    first.stop().await.unwrap();

    let second = Service::start(config).await.unwrap();
    assert_eq!(second.database().count_by_kind().await.unwrap(), before);
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_tasks_in_flight() {
    let service = Service::start(Config::default()).await.unwrap();
    for number in 0..20 {
        let order = format!(r#"{{"template": "website", "name": "site-{number}"}}"#);
        let answer = send(service.address(), "POST", "/scaffolder/tasks", &order).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
    let database = service.database().clone();

    service.stop().await.unwrap();
    // The file has been unlinked, but this handle still has it open.
    assert_eq!(database.count_by_kind().await.unwrap()[&Kind::Component], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_served_gets_the_reason_as_json_and_changes_nothing() {
    let service = Service::start(Config::default()).await.unwrap();
    let entities = "/catalog/entities";
    let too_long =
        format!(r#"{{"name": "shop", "kind": "api", "description": "{}"}}"#, "x".repeat(20_000));
    for (method, path, body, status, reason) in [
        ("POST", entities, "{", "400", "EOF"),
        ("POST", entities, r#"{"name": "Shop", "kind": "api"}"#, "422", "a name is 1 to 63"),
        (
            "POST",
            entities,
            r#"{"name": "shop", "kind": "planet"}"#,
            "422",
            "unknown variant `planet`",
        ),
        ("POST", entities, &too_long, "413", "length limit exceeded"),
        ("GET", "/catalog/entities?kind=planet", "", "400", "unknown variant `planet`"),
        ("PUT", "/catalog/entities/nobody", "{}", "404", "no entity has this name"),
        ("GET", "/scaffolder/tasks/7", "", "404", "no task has this number"),
    ] {
        let answer = send(service.address(), method, path, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        let (_, json) = answer.split_once("\r\n\r\n").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(json["error"].as_str().unwrap().contains(reason), "{method} {path}: {json}");
    }
    assert_eq!(service.database().count_by_kind().await.unwrap().values().sum::<u64>(), 0);
    service.stop().await.unwrap();
}

/// Returns an address that nothing listens on.
#[cfg(unix)]
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// Ends the program as orchestrators do.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_receiver_is_down_serves_reports_it_and_exits_with_0_and_one_log_line() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let mut program = Command::new(env!("CARGO_BIN_EXE_catalog-service"))
        .args(["--port", "0"])
        // The program would warn about this variable of the tests.
        .env_remove("METERKIT_PEERS")
        .env_remove("METERKIT_PEERS_DIR")
        .env("OTEL_METRICS_EXPORTER", "otlp")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", nobody().await))
        .env("OTEL_SERVICE_NAME", "catalog-service")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let greeting = lines.next().unwrap().unwrap();
    let address = greeting.strip_prefix("catalog-service listens on http://").unwrap();
    let answer = send(address.parse().unwrap(), "GET", "/admin/telemetry", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let health: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(health["targets"][0]["component"], "otlp/0", "{health}");
    assert_eq!(health["targets"][0]["last_success"], serde_json::Value::Null, "{health}");

    let ended = format!("kill -TERM {}", program.id());
    assert!(Command::new("sh").args(["-c", &ended]).status().unwrap().success());
    let output = program.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let troubles: Vec<_> = log.lines().filter(|it| !it.contains("INFO")).collect();
    let [trouble] = troubles[..] else { panic!("{log}") };
    assert!(
        trouble.contains("WARN") && trouble.contains("metrics are not delivered at shutdown: "),
        "{log}"
    );
    assert!(trouble.contains("the receiver has no values from this process"), "{log}");
}

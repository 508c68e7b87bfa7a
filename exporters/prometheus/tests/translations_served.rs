//! Only clients that ask for names with all characters get them, over HTTP and from the function.

use crate::client::{Answer, Connection};
use crate::served::{LONG, Served};
use axum::Router;
use meterkit_core::Registry;
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{Scrape, TEXT_FORMAT, Translation, UTF8_TEXT_FORMAT};

const ESCAPED: &str = "# TYPE http_hits counter\nhttp_hits{otel_scope_name=\"s\"} 7\n";
const UTF8: &str = "# TYPE \"http.hits\" counter\n{\"http.hits\",otel_scope_name=\"s\"} 7\n";
const DEFAULT: &str = "# TYPE http_hits_total counter\nhttp_hits_total{otel_scope_name=\"s\"} 7\n";

/// The value of `Accept` that asks for text with all characters in names.
const ANY_NAME: &str = "text/plain;version=1.0.0;escaping=allow-utf-8";
const VARY: &str = "accept, accept-encoding";

fn registry() -> Registry {
    let registry = Registry::new();
    // Self-metrics differ from scrape to scrape.
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    registry.semconv("s").counter::<u64>("http.hits").build().unwrap().add(7);
    registry
}

async fn ask(connection: &mut Connection, method: &str, accept: &str) -> Answer {
    let request =
        format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    connection.send(request).await.unwrap();
    connection.answer(method).await.unwrap()
}

/// Scrapes one snapshot with and without an `Accept` header, and compares the names.
async fn check_untranslated(connection: &mut Connection) {
    for _ in 0..2 {
        let answer = ask(connection, "GET", ANY_NAME).await;
        assert_eq!(answer.text(), UTF8);
        assert_eq!(answer.headers["content-type"], UTF8_TEXT_FORMAT);
        assert_eq!(answer.headers["content-length"], UTF8.len().to_string());
        assert_eq!(answer.headers["vary"], VARY);
        let answer = ask(connection, "GET", "text/plain;version=0.0.4").await;
        assert_eq!(answer.text(), ESCAPED);
        assert_eq!(answer.headers["content-type"], TEXT_FORMAT);
        assert_eq!(answer.headers["vary"], VARY);
    }
    let head = ask(connection, "HEAD", ANY_NAME).await;
    assert_eq!(head.headers["content-type"], UTF8_TEXT_FORMAT);
    assert_eq!(head.headers["content-length"], UTF8.len().to_string());
    let answer = connection.request("GET", "/metrics").await.unwrap();
    assert_eq!((answer.text(), &*answer.headers["content-type"]), (ESCAPED, TEXT_FORMAT));
}

#[tokio::test]
async fn the_endpoint_returns_names_with_all_characters_on_request() {
    let translation = Translation::NoTranslation;
    let served = Served::start_sharing(&registry(), LONG, |server| server.translation(translation));
    let mut connection = Connection::open(served.address).await;
    check_untranslated(&mut connection).await;
    let answer = connection.request("GET", "/other").await.unwrap();
    assert_eq!(answer.status, 404);
    served.stop().await;
}

#[tokio::test]
async fn by_default_all_scrapers_get_the_same_names() {
    let served = Served::start_sharing(&registry(), LONG, |server| server);
    let mut connection = Connection::open(served.address).await;
    for (accept, content_type) in [
        ("text/plain;version=0.0.4", TEXT_FORMAT),
        ("*/*", TEXT_FORMAT),
        (ANY_NAME, UTF8_TEXT_FORMAT),
    ] {
        let answer = ask(&mut connection, "GET", accept).await;
        assert_eq!((answer.text(), &*answer.headers["content-type"]), (DEFAULT, content_type));
        assert_eq!(answer.headers["vary"], VARY);
    }
    served.stop().await;
}

#[tokio::test]
async fn the_function_returns_names_with_all_characters_on_request() {
    let pipeline = Pipeline::builder(registry()).unwrap().snapshot_max_age(LONG);
    let pipeline = pipeline.start().unwrap();
    let default = Scrape::new(pipeline.source());
    let scrape = default.clone().translation(Translation::NoTranslation);
    assert_eq!(scrape.text().await.unwrap(), ESCAPED);
    assert_eq!(scrape.text_for(ANY_NAME).await.unwrap(), (UTF8_TEXT_FORMAT.into(), UTF8.into()));
    assert_eq!(scrape.text_for("").await.unwrap(), (TEXT_FORMAT.into(), ESCAPED.into()));
    assert_eq!(scrape.text_blocking(), ESCAPED);
    let text = default.text_for(ANY_NAME).await.unwrap();
    assert_eq!(text, (UTF8_TEXT_FORMAT.into(), DEFAULT.into()));
    assert_eq!(default.text_for("*/*").await.unwrap(), (TEXT_FORMAT.into(), DEFAULT.into()));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route_service("/metrics", scrape);
    tokio::spawn(async move { axum::serve(listener, router).await });
    check_untranslated(&mut Connection::open(address).await).await;
    pipeline.shutdown(LONG).await.unwrap();
}

//! The live page and its JSON, over a real connection and as a service.

use std::time::Duration;

use axum::Router;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use meterkit_core::{LabelKey, LabelRef, LabelVisitor, Labels, Registry};
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{ExpositionOptions, LivePage, PrometheusServer};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Answer, Connection};
use crate::served::{Served, large_registry};

const HOSTILE: &str = "</script><img src=x onerror=\"alert(1)\">\u{202e}\u{0}\\";

struct Name(&'static str);

impl Labels for Name {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("name")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.0));
    }
}

/// Returns a registry with an instrument of each type.
fn registry() -> Registry {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    let meter = registry.semconv("shop");
    let orders = meter.counter_group::<Name, u64>("orders").unit("{order}").description("Orders.");
    orders.build().unwrap().with(Name(HOSTILE)).add(u64::MAX);
    meter.gauge::<f64>("load").build().unwrap().set(0.5);
    let size = meter.histogram::<f64>("size").buckets([1.0, 10.0]).build().unwrap();
    [0.5, 5.0, 5.0, 50.0].into_iter().for_each(|value| size.record(value));
    let exponential = meter.histogram::<f64>("time").exponential().build().unwrap();
    [-1.5, 0.0, 3.0].into_iter().for_each(|value| exponential.record(value));
    registry
}

fn metric<'j>(json: &'j Value, name: &str) -> &'j Value {
    let scopes = json["scopes"].as_array().unwrap().iter();
    let mut metrics = scopes.flat_map(|scope| scope["metrics"].as_array().unwrap());
    metrics.find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name} in {json}"))
}

fn json(answer: &Answer) -> Value {
    assert_eq!((answer.status, &*answer.headers["content-type"]), (200, "application/json"));
    serde_json::from_slice(&answer.body).unwrap()
}

async fn ask(served: &Served, request: &str, lines: &str) -> Answer {
    let mut connection = Connection::open(served.address).await;
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    connection.send(request.clone()).await.unwrap();
    connection.answer(request.split(' ').next().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_browser_gets_one_document_that_may_load_nothing_else() {
    let served = Served::start(&registry(), |server| server);
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let answer = ask(&served, "GET /", accept).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let policy: Vec<_> = answer.headers["content-security-policy"].split("; ").collect();
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(&part), "{part} in {policy:?}");
    }
    // The text of the page must not be able to end its own script.
    let html = answer.text();
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
        let (text, rest) = rest.split_once(&format!("</{tag}>")).unwrap();
        assert!(!rest.contains(&format!("<{tag}")), "there is one {tag}");
        let hash = BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let expected = format!("{directive} 'sha256-{hash}'");
        assert!(
            policy.contains(&&*expected),
            "write sha256-{hash} into page.*.sha256; it is {policy:?}"
        );
    }
    for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!html.contains(markup), "{markup}");
    }
    for other in ["http:", "https:", "src=", "@import", "url("] {
        let html = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!html.contains(other), "{other}");
    }
    assert!(!html.contains("shop"), "the document has no data of its own");
    served.stop().await;
}

#[tokio::test]
async fn the_page_is_small_when_it_is_compressed() {
    let served = Served::start(&registry(), |server| server);
    let answer = ask(&served, "GET /", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert!(answer.body.len() < 60_000, "{} bytes", answer.body.len());
    let head = ask(&served, "HEAD /", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(ask(&served, "POST /", "").await.status, 405);
    assert_eq!(ask(&served, "POST /metrics.json", "").await.status, 405);
    served.stop().await;
}

#[tokio::test]
async fn json_has_every_type_of_metric() {
    let served = Served::start(&registry(), |server| server);
    let answer = ask(&served, "GET /metrics.json", "").await;
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let all = json(&answer);
    assert_eq!(all["version"], 1);
    assert!(all["time"].as_f64().unwrap() > 1.7e9);
    assert_eq!(all["health"]["targets"][0]["name"], "prometheus");
    assert_eq!(all["scopes"].as_array().unwrap().len(), 1);
    assert_eq!(all["scopes"][0]["name"], "shop");

    let orders = metric(&all, "orders");
    assert_eq!(orders["kind"], "counter");
    assert_eq!(orders["unit"], "{order}");
    assert_eq!(orders["description"], "Orders.");
    assert_eq!((&orders["type"], &orders["is_monotonic"]), (&json!("sum"), &json!(true)));
    assert_eq!(orders["series"][0]["labels"], json!({"name": HOSTILE}));
    assert_eq!(orders["series"][0]["value"], u64::MAX);
    assert!(orders["series"][0]["start"].as_f64().unwrap() > 1.7e9);

    let load = metric(&all, "load");
    assert_eq!((&load["type"], &load["series"][0]["value"]), (&json!("gauge"), &json!(0.5)));

    let size = &metric(&all, "size")["series"][0];
    assert_eq!(size["buckets"], json!([[null, 1, 1], [1, 10, 2], [10, null, 1]]));
    assert_eq!(
        (&size["count"], &size["sum"], &size["min"], &size["max"]),
        (&json!(4), &json!(60.5), &json!(0.5), &json!(50))
    );

    let time = metric(&all, "time");
    assert_eq!(time["type"], "exponential_histogram");
    let buckets = time["series"][0]["buckets"].as_array().unwrap();
    let counts: Vec<_> = buckets.iter().map(|it| it[2].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1, 1]);
    for (bucket, value) in buckets.iter().zip([-1.5, 0.0, 3.0]) {
        let (from, to) = (bucket[0].as_f64().unwrap(), bucket[1].as_f64().unwrap());
        assert!(from <= value && value <= to, "{value} in {bucket}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_one_value_of_json_and_has_every_series() {
    let served = Served::start(&large_registry(), |server| server);
    let answer = ask(&served, "GET /metrics.json", "").await;
    assert!(!answer.headers.contains_key("content-length"), "it is written in pieces");
    let all = json(&answer);
    let series = metric(&all, "large")["series"].as_array().unwrap();
    let sum: u64 = series.iter().map(|series| series["value"].as_u64().unwrap()).sum();
    assert_eq!((series.len(), sum), (20_000, 199_990_000));
    served.stop().await;
}

#[tokio::test]
async fn the_address_of_the_page_returns_json_if_asked_for() {
    let served = Served::start(&registry(), |server| server);
    let data = json(&ask(&served, "GET /", "Accept: application/json\r\n").await);
    assert_eq!(data["version"], 1);
    for accept in ["", "Accept: */*\r\n", "Accept: text/html, application/json\r\n"] {
        let answer = ask(&served, "GET /", accept).await;
        assert!(answer.headers["content-type"].starts_with("text/html"), "{accept}");
        assert_eq!(answer.headers["vary"], "accept, accept-encoding");
    }
    served.stop().await;
}

#[tokio::test]
async fn requests_of_the_page_do_not_count_as_scrapes() {
    let served = Served::start(&registry(), |server| server);
    for path in ["/", "/metrics.json"] {
        assert_eq!(ask(&served, &format!("GET {path}"), "").await.status, 200);
    }
    assert_eq!(served.pipeline.health().targets[0].last_success, None);
    assert_eq!(ask(&served, "GET /metrics", "").await.status, 200);
    assert!(served.pipeline.health().targets[0].last_success.is_some());
    served.stop().await;
}

#[tokio::test]
async fn page_and_data_are_guarded_like_a_scrape() {
    let served = Served::start(&registry(), |server| server.basic_auth("a", "b"));
    for path in ["/", "/metrics.json"] {
        let refused = ask(&served, &format!("GET {path}"), "").await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.headers["www-authenticate"].starts_with("Basic"), "{path}");
        assert!(!refused.text().contains("orders"), "{path}");
        let right = ask(&served, &format!("GET {path}"), "Authorization: Basic YTpi\r\n").await;
        assert_eq!(right.status, 200, "{path}");
        let mut connection = Connection::open(served.address).await;
        let rebound = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        connection.send(rebound).await.unwrap();
        assert_eq!(connection.answer("GET").await.unwrap().status, 421, "{path}");
    }
    served.stop().await;
}

#[tokio::test]
async fn the_page_can_be_switched_off() {
    let served = Served::start(&registry(), |server| server.page(false));
    for path in ["/", "/metrics.json"] {
        let answer = ask(&served, &format!("GET {path}"), "Accept: text/html\r\n").await;
        assert_eq!((answer.status, answer.text()), (404, "metrics are served at /metrics\n"));
    }
    served.stop().await;
}

#[tokio::test]
async fn data_is_beside_the_metrics_and_a_scrape_at_the_root_stays_one() {
    let served = Served::start(&registry(), |server| server.path("/internal/metrics"));
    assert_eq!(json(&ask(&served, "GET /internal/metrics.json", "").await)["version"], 1);
    assert_eq!(ask(&served, "GET /metrics.json", "").await.status, 404);
    served.stop().await;

    let served = Served::start(&registry(), |server: PrometheusServer| server.path("/"));
    assert!(ask(&served, "GET /", "").await.text().contains("orders_total"));
    served.stop().await;
}

#[tokio::test]
async fn a_router_serves_the_page_wherever_it_is_mounted() {
    // Prevents that a snapshot from before the shutdown is shared.
    let builder = Pipeline::builder(registry()).unwrap().snapshot_max_age(Duration::ZERO);
    let pipeline = builder.start().unwrap();
    let hidden = ExpositionOptions::new().self_metrics(false);
    let page = LivePage::new(pipeline.source()).options(hidden);
    let router = Router::new()
        .route_service("/status", page.clone())
        .route_service("/status.json", page.clone())
        .nest_service("/nested", page);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let served = Served { pipeline, address };
    for path in ["/status", "/nested", "/nested/"] {
        assert!(ask(&served, &format!("GET {path}"), "").await.text().contains("<script>"));
        let asked = ask(&served, &format!("GET {path}"), "Accept: application/json\r\n").await;
        assert_eq!(json(&asked)["version"], 1);
    }
    for path in ["/status.json", "/nested/metrics.json"] {
        assert_eq!(json(&ask(&served, &format!("GET {path}"), "").await)["version"], 1);
    }
    served.pipeline.shutdown(crate::served::LONG).await.unwrap();
    let closed = ask(&served, "GET /status.json", "").await;
    assert_eq!(closed.status, 503, "{}", closed.text());
}

//! The labels that come from the head of a request.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use http::Version;
use meterkit::testing::{TestKit, assert_metric};
use meterkit::tower::HttpMetrics;
use tower::ServiceExt;

use crate::service::{Server, call, lines, measured, routes};

#[tokio::test]
async fn names_units_and_buckets_follow_the_conventions() {
    let kit = TestKit::new();
    call(&measured(&kit), "POST", "/things/7", "body").await;
    let seen = kit.collect();
    let labels = [
        ("http.request.method", "POST"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("http.route", "/things/{id}"),
        ("http.response.status_code", "200"),
    ];
    let duration = seen.series("http.server.request.duration").remove(0);
    assert_eq!(duration.descriptor().unit, "s");
    assert_eq!(
        duration.bounds(),
        Some(
            &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0][..]
        )
    );
    for (name, sum) in [
        ("http.server.request.duration", 0.25),
        ("http.server.request.body.size", 4.0),
        ("http.server.response.body.size", 5.0),
    ] {
        let point = seen.histogram(name, labels).expect("a series with these labels and no others");
        assert_eq!((point.count, point.sum), (1, sum), "{name}");
    }
    assert_eq!(seen.series("http.server.request.body.size")[0].descriptor().unit, "By");
    assert_eq!(seen.series("http.server.response.body.size")[0].descriptor().unit, "By");
    assert_eq!(seen.series("http.server.active_requests")[0].descriptor().unit, "{request}");
    assert_metric!(
        seen, "http.server.active_requests" { http.request.method = "POST", url.scheme = "http" } == 0
    );
}

#[tokio::test]
async fn a_path_is_never_a_label() {
    let kit = TestKit::new();
    let service = measured(&kit);
    for path in ["/things/1", "/things/2", "/api/users/3", "/nowhere/4", "/nowhere/5", "/nowhere/6"]
    {
        call(&service, "GET", path, "").await;
    }
    let lines = lines(&kit);
    let durations: Vec<_> = lines.iter().filter(|it| it.starts_with("request.duration")).collect();
    assert_eq!(
        durations,
        [
            "request.duration{GET,200,/api/users/{id},1.1,http} count=1 sum=0",
            "request.duration{GET,200,/things/{id},1.1,http} count=2 sum=0.5",
            "request.duration{GET,404,1.1,http} count=3 sum=0",
        ]
    );
}

#[tokio::test]
async fn a_layer_of_a_nested_router_sees_whole_routes() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let users = Router::new().route("/users/{id}", get(|| async {})).layer(layer);
    let service = Router::new().nest("/v1", Router::new().nest("/api", users));
    call(&service, "GET", "/v1/api/users/3", "").await;
    let line = "request.duration{GET,200,/v1/api/users/{id},1.1,http} count=1 sum=0";
    assert!(lines(&kit).contains(&line.to_owned()), "{:#?}", lines(&kit));
}

#[tokio::test]
async fn methods_and_schemes_that_clients_make_up_are_not_labels() {
    let kit = TestKit::new();
    let service = measured(&kit);
    for method in ["PURGE", "get", "BREW", "QUERY"] {
        call(&service, method, "/things/1", "").await;
    }
    for uri in ["gopher://a.example/things/1", "https://b.example/things/1"] {
        call(&service, "GET", uri, "").await;
    }
    let lines = lines(&kit);
    let durations: Vec<_> = lines.iter().filter(|it| it.starts_with("request.duration")).collect();
    assert_eq!(
        durations,
        [
            "request.duration{GET,200,/things/{id},1.1,http} count=1 sum=0.25",
            "request.duration{GET,200,/things/{id},1.1,https} count=1 sum=0.25",
            "request.duration{QUERY,200,/things/{id},1.1,http} count=1 sum=0.25",
            "request.duration{_OTHER,200,/things/{id},1.1,http} count=3 sum=0.75",
        ]
    );
}

#[tokio::test]
async fn versions_match_the_protocol() {
    let kit = TestKit::new();
    let service = measured(&kit);
    for version in [Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
        let request = Request::builder().version(version).uri("/things/1").body(Body::empty());
        let _ = service.clone().oneshot(request.unwrap()).await;
    }
    for version in ["1.0", "2", "3"] {
        assert_metric!(
            kit, "http.server.request.duration" { network.protocol.version = version, .. } count == 1
        );
    }
}

#[tokio::test]
async fn a_tls_server_reports_https_for_requests_without_a_scheme() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap().https();
    let service = routes(kit.clock()).layer(layer);
    call(&service, "GET", "/things/1", "").await;
    call(&service, "GET", "http://a.example/things/1", "").await;
    assert_metric!(kit, "http.server.request.duration" { url.scheme = "https", .. } count == 1);
    assert_metric!(kit, "http.server.request.duration" { url.scheme = "http", .. } count == 1);
}

#[tokio::test]
async fn a_route_can_be_left_out() {
    let kit = TestKit::new();
    let layer = HttpMetrics::new_in(kit.registry()).unwrap();
    let service =
        routes(kit.clock()).layer(layer.without_route("/healthz").without_route("/api/users/{id}"));
    call(&service, "GET", "/healthz", "").await;
    call(&service, "GET", "/api/users/1", "").await;
    assert_eq!(lines(&kit), [""; 0]);
    call(&service, "GET", "/things/1", "").await;
    assert_eq!(lines(&kit).len(), 3);
}

#[tokio::test]
async fn heads_of_real_requests_are_measured() {
    let kit = TestKit::new();
    let server = Server::start(measured(&kit)).await;
    let request = "HEAD /things/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = server.exchange(request).await;
    assert!(response.contains("content-length: 5"), "{response}");
    // The body is not sent, and that is not an error.
    assert_eq!(
        lines(&kit),
        [
            "active_requests{HEAD,http} 0",
            "request.duration{HEAD,200,/things/{id},1.1,http} count=1 sum=0.25",
            "response{HEAD,200,/things/{id},1.1,http} count=1 sum=0",
        ]
    );
}

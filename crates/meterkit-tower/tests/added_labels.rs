//! Labels that an application adds.

use axum::Router;
use axum::routing::get;
use http::{Request, Response};
use meterkit::testing::{TestKit, assert_metric};
use meterkit::tower::{HttpMetrics, RequestLabels};
use meterkit::{LabelValue, Labels};

use crate::service::{call, routes};

#[derive(Labels)]
struct Api {
    plan: Plan,
    #[label(name = "cache.hit")]
    is_hit: Option<bool>,
}

#[derive(Clone, Copy, LabelValue)]
enum Plan {
    Free,
    Paid,
}

impl RequestLabels for Api {
    fn of_request<B>(request: &Request<B>) -> Self {
        let is_paid = request.headers().contains_key("x-plan");
        Self { plan: if is_paid { Plan::Paid } else { Plan::Free }, is_hit: None }
    }

    fn on_response<B>(&mut self, response: &Response<B>) {
        self.is_hit = Some(response.headers().contains_key("age"));
    }
}

#[tokio::test]
async fn an_application_adds_labels_from_request_and_response() {
    let kit = TestKit::new();
    let layer = HttpMetrics::<Api>::with_labels_in(kit.registry()).unwrap();
    let cached = Router::new().route("/cached", get(async || ([("age", "3")], "body")));
    let service = routes(kit.clock()).merge(cached).layer(layer);
    call(&service, "GET", "/cached", "body").await;
    call(&service, "GET", "/things/1", "body").await;
    for name in [
        "http.server.request.duration",
        "http.server.request.body.size",
        "http.server.response.body.size",
    ] {
        assert_metric!(
            kit, name { plan = Plan::Free, cache.hit = true, http.route = "/cached", .. } count == 1
        );
        assert_metric!(kit, name { plan = "free", cache.hit = false, .. } count == 1);
    }
    assert_metric!(
        kit, "http.server.active_requests" { http.request.method = "GET", url.scheme = "http" } == 0
    );
    let _ = Plan::Paid;
}

#[derive(Labels)]
struct Clash {
    #[label(name = "http.route")]
    route: &'static str,
}

impl RequestLabels for Clash {
    fn of_request<B>(_: &Request<B>) -> Self {
        Self { route: "mine" }
    }
}

#[test]
fn a_label_of_the_conventions_is_not_given_twice() {
    let kit = TestKit::new();
    let error = HttpMetrics::<Clash>::with_labels_in(kit.registry()).unwrap_err().to_string();
    assert!(error.contains("http.route"), "{error}");
}

//! HTTP server metrics for [tower](https://docs.rs/tower) and [axum](https://docs.rs/axum), for `meterkit`; for servers and
//! clients that speak gRPC, see the module [`grpc`].
//!
//! One line measures all requests, by version 1.44 of OpenTelemetry's [semantic conventions for HTTP][conventions]:
//!
//! ```
//! use axum::Router;
//! use axum::routing::get;
//! use meterkit::tower::HttpMetrics;
//!
//! let app: Router =
//!     Router::new().route("/users/{id}", get(|| async { "Ada" })).layer(HttpMetrics::new());
//! ```
//!
//! | metric | kind, unit | what it is |
//! |---|---|---|
//! | `http.server.request.duration` | histogram, `s` | from the head of the request to the end of the response |
//! | `http.server.active_requests` | up-down counter, `{request}` | requests that have not ended |
//! | `http.server.request.body.size` | histogram, `By` | what the client sent: its `Content-Length`, or what the application read; nothing for a request without a body |
//! | `http.server.response.body.size` | histogram, `By` | what was sent; nothing for a request without a response |
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `http.request.method` | the methods of RFC 9110, `PATCH`, `QUERY`, and `_OTHER` for all others |
//! | `url.scheme` | `http` or `https`: what the request says, else `http`, or `https` with [`HttpMetrics::https`] |
//! | `network.protocol.version` | `0.9`, `1.0`, `1.1`, `2`, `3` |
//! | `http.route` | the route in axum's words, with those of the routers that it is nested in: `/users/{id}` |
//! | `http.response.status_code` | the status; none for a request that ended without a response |
//! | `error.type` | what a request failed of; none for one that went well |
//!
//! Requests that are active have the first two. [`RequestLabels`] adds labels of the application to the others.
//!
//! A client cannot make series up. Methods, schemes and versions are closed lists, and paths are no labels: requests that
//! no route matched, or of services without axum, have no `http.route`. `server.address` is left out, as clients choose it
//! in the header `Host`. To tell methods apart that are `_OTHER` here, add a label with those that the application knows.
//!
//! # How requests end
//!
//! A request ends with the last byte of its response: a body that is streamed for a minute makes a request of a minute.
//! After an upgrade, to a websocket for example, the connection belongs to another protocol, and the request has ended with
//! the head of the response. Requests that end in another way are counted too:
//!
//! | `error.type` | what happened |
//! |---|---|
//! | `500` to `599` | the response has this status; what happens afterwards changes nothing |
//! | `canceled` | the response, or the rest of its body, was dropped: the client left, or a layer outside of this one gave up |
//! | `panic` | the application panicked. With a layer inside of this one that catches panics, it is a response like others |
//! | `service_error` | the service returned an error instead of a response, which axum's never do |
//! | `body_error` | the body of the response ended with an error |
//!
//! # Why not another layer
//!
//! `opentelemetry-instrumentation-tower` arrives through `meterkit` as all instrumentation by OpenTelemetry's API does. But in
//! version 0.19, a request that is canceled or panics stays active for good and has no duration; methods and schemes are
//! what the client sends; streamed bodies count as nothing; and errors have no `error.type`. None of that is a setting. A
//! test of this crate shows it.
//!
//! [conventions]: https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-metrics.md

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod exchange;
pub mod grpc;
mod labels;
mod layer;
mod metrics;
mod request_size;
mod service;

pub use self::body::ResponseBody;
pub use self::labels::{NoLabels, RequestLabels};
pub use self::layer::HttpMetrics;
pub use self::service::{HttpMetricsService, ResponseFuture};

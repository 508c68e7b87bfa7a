//! HTTP server metrics for [tower](https://docs.rs/tower) and [axum](https://docs.rs/axum), for `meterkit`. For gRPC
//! servers and clients, see the module [`grpc`].
//!
//! One line measures all requests, following version 1.44 of OpenTelemetry's [semantic conventions for
//! HTTP][conventions]:
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
//! | metric | kind, unit | meaning |
//! |---|---|---|
//! | `http.server.request.duration` | histogram, `s` | time from the head of the request to the end of the response |
//! | `http.server.active_requests` | up-down counter, `{request}` | requests that have not ended |
//! | `http.server.request.body.size` | histogram, `By` | the request's `Content-Length`, or without one the number of bytes that the application read; not recorded for a request without a body |
//! | `http.server.response.body.size` | histogram, `By` | the number of bytes sent; not recorded for a request without a response |
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `http.request.method` | the methods of RFC 9110, `PATCH`, `QUERY`, and `_OTHER` for all others |
//! | `url.scheme` | `http` or `https`, as the request states; otherwise `http`, or `https` with [`HttpMetrics::https`] |
//! | `network.protocol.version` | `0.9`, `1.0`, `1.1`, `2`, `3` |
//! | `http.route` | the route as axum writes it, including the routers that it is nested in: `/users/{id}` |
//! | `http.response.status_code` | the status; absent if the request ended without a response |
//! | `error.type` | why the request failed; absent if it succeeded |
//!
//! Active requests have the first two labels. [`RequestLabels`] adds an application's labels to the other metrics.
//!
//! A client cannot create series at will. Methods, schemes and versions are closed lists, and paths are never labels:
//! requests that match no route, and requests to services other than axum, have no `http.route`. `server.address` is
//! left out, because clients choose it in the `Host` header. To distinguish methods that are `_OTHER` here, add a label
//! with the methods that the application knows.
//!
//! # How requests end
//!
//! A request ends with the last byte of its response: if a body is streamed for a minute, the request takes a minute.
//! After an upgrade, for example to a websocket, the connection belongs to another protocol, so the request ends with
//! the head of the response. Requests that end in another way are counted too:
//!
//! | `error.type` | what happened |
//! |---|---|
//! | `500` to `599` | the response has this status; later errors do not change the label |
//! | `canceled` | the response, or the rest of its body, was dropped: the client disconnected, or an outer layer gave up |
//! | `panic` | the application panicked; if an inner layer catches panics, its response counts like any other |
//! | `service_error` | the service returned an error instead of a response, which axum's services never do |
//! | `body_error` | the response body ended with an error |
//!
//! # Why not another layer
//!
//! The metrics of `opentelemetry-instrumentation-tower` also reach `meterkit`, like all instrumentation that uses
//! OpenTelemetry's API. But in version 0.19, a request that is canceled or panics stays active forever and has no
//! duration, methods and schemes are whatever the client sends, streamed bodies have no size, and errors have no
//! `error.type`. No setting changes that. A test in this crate demonstrates it.
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

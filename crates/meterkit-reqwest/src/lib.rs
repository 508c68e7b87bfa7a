//! HTTP client metrics for [reqwest](https://docs.rs/reqwest), for `meterkit`, as a middleware of
//! [reqwest-middleware](https://docs.rs/reqwest-middleware).
//!
//! One line measures all requests of a client, following version 1.44 of OpenTelemetry's [semantic conventions for
//! HTTP][conventions]:
//!
//! ```
//! # async fn run() -> Result<(), reqwest_middleware::Error> {
//! use meterkit::reqwest::{HttpClientMetrics, UrlTemplate};
//! use reqwest_middleware::ClientBuilder;
//!
//! let client = ClientBuilder::new(reqwest::Client::new()).with(HttpClientMetrics::new()).build();
//! let request = client.get("https://users.example/users/42");
//! let user = request.with_extension(UrlTemplate("/users/{id}")).send().await?.text().await?;
//! # let _ = user;
//! # Ok(())
//! # }
//! ```
//!
//! | metric | kind, unit | meaning |
//! |---|---|---|
//! | `http.client.request.duration` | histogram, `s` | time from the request to the end of the response |
//! | `http.client.active_requests` | up-down counter, `{request}` | requests that have not ended |
//! | `http.client.request.body.size` | histogram, `By` | the number of bytes sent; only for requests with a body |
//! | `http.client.response.body.size` | histogram, `By` | the number of bytes read, after decompression by reqwest |
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `http.request.method` | the methods of RFC 9110, `PATCH`, `QUERY`, and `_OTHER` for all others |
//! | `server.address`, `server.port` | the server in the requested URL, even if it redirects to another server |
//! | `url.template` | set by the application with [`UrlTemplate`]; the path is never a label |
//! | `network.protocol.version` | `0.9`, `1.0`, `1.1`, `2`, `3`; absent if there is no response |
//! | `http.response.status_code` | the status; absent if the request ended without a response |
//! | `error.type` | why the request failed; absent if it succeeded |
//!
//! Active requests have the labels in the first three rows.
//!
//! If others choose the URLs that an application requests, as for a crawler or a sender of webhooks, every server gets
//! its own series, up to the cardinality limit of the instrument. A view can remove the label `server.address`.
//!
//! # How requests end
//!
//! A request ends with the last byte of its response, or when the application drops the response because it has read
//! enough.
//!
//! | `error.type` | what happened |
//! |---|---|
//! | `400` to `599` | the response has this status; later errors do not change the label |
//! | `timeout` | a timeout of the client or the request, before or after the head of the response |
//! | `dns` | the name of the server was not found |
//! | `connect` | the connection or the TLS handshake failed |
//! | `redirect` | too many redirects, or the policy refused one |
//! | `request` | the request was not sent, or the connection broke before there was a response |
//! | `body` | the body of the request or the response failed |
//! | `middleware` | an inner middleware returned an error |
//! | `canceled` | the application dropped the request before there was a response |
//!
//! Inside a middleware that retries, each attempt counts as a request. A redirect that reqwest follows is part of the
//! request that was redirected.
//!
//! # Why not another middleware
//!
//! `tower-otel` 0.12 and `reqwest-metrics` 0.3 provide most of these metrics. But in both, `error.type` is the error's
//! text, which contains the URL, so each failing URL creates a series. A canceled request has no duration, durations
//! end with the head of the response, and bodies without a `Content-Length` have no size. No setting changes that.
//!
//! [conventions]: https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-metrics.md

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod exchange;
mod labels;
mod metrics;
mod middleware;

pub use self::middleware::{HttpClientMetrics, UrlTemplate};

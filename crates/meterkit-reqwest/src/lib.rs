//! HTTP client metrics for [reqwest](https://docs.rs/reqwest), for `meterkit`, as a middleware of
//! [reqwest-middleware](https://docs.rs/reqwest-middleware).
//!
//! One line measures all requests of a client, by version 1.44 of OpenTelemetry's [semantic conventions for HTTP][conventions]:
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
//! | metric | kind, unit | what it is |
//! |---|---|---|
//! | `http.client.request.duration` | histogram, `s` | from the request to the end of the response |
//! | `http.client.active_requests` | up-down counter, `{request}` | requests that have not ended |
//! | `http.client.request.body.size` | histogram, `By` | what was sent; only of requests with a body |
//! | `http.client.response.body.size` | histogram, `By` | what was read, after decompression if reqwest does that |
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `http.request.method` | the methods of RFC 9110, `PATCH`, `QUERY`, and `_OTHER` for all others |
//! | `server.address`, `server.port` | of the URL that is requested, also where it redirects |
//! | `url.template` | what the application says with [`UrlTemplate`]; the path is never a label |
//! | `network.protocol.version` | `0.9`, `1.0`, `1.1`, `2`, `3`, where there is a response |
//! | `http.response.status_code` | the status; none for a request that ended without a response |
//! | `error.type` | what a request failed of; none for one that went well |
//!
//! Requests that are active have the first three.
//!
//! An application that requests URLs that others choose, such as a crawler or a sender of webhooks, has a series for each of
//! their servers, up to the limit of series of an instrument. A view can leave `server.address` out.
//!
//! # How requests end
//!
//! A request ends with the last byte of its response, or when the application drops the response, having read what it wants.
//!
//! | `error.type` | what happened |
//! |---|---|
//! | `400` to `599` | the response has this status; what happens afterwards changes nothing |
//! | `timeout` | a timeout of the client or the request, before or after the head of the response |
//! | `dns` | the name of the server was not found |
//! | `connect` | there is no connection, or TLS failed |
//! | `redirect` | too many redirects, or the policy refused one |
//! | `request` | the request was not sent, or the connection broke before there was a response |
//! | `body` | the body of the response, or that of the request, failed |
//! | `middleware` | a middleware inside of this one returned an error |
//! | `canceled` | the application dropped the request before there was a response |
//!
//! Inside of a middleware that retries, each attempt is a request. Redirects that reqwest follows are a part of theirs.
//!
//! # Why not another middleware
//!
//! `tower-otel` 0.12 and `reqwest-metrics` 0.3 have most of these metrics. But in both, `error.type` is the text of the error,
//! which has the URL in it, so each URL that fails makes a series; a request that is canceled has no duration; durations end with
//! the head of the response, and bodies without a `Content-Length` have no size. None of that is a setting.
//!
//! [conventions]: https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-metrics.md

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod exchange;
mod labels;
mod metrics;
mod middleware;

pub use self::middleware::{HttpClientMetrics, UrlTemplate};

//! The HTTP transport of `meterkit`'s push targets, for authors of targets.
//!
//! - [`Client`] sends requests to the receiver of one target; [`Link`] is the layer below, for protocols on HTTP/2 such
//!   as gRPC. Both read secrets and certificates again when their files change.
//! - [`Transport`] is the configuration that every push target has for sending: [`Proxies`], certificates,
//!   [`Compression`] and the timeout of a request. [`TransportSettings`] declares the variables and keys for it.
//! - [`Authentication`], [`Headers`], [`Secret`] and [`url`] are for other settings of a target. `Debug` and errors
//!   show no secrets.
//! - [`SendError`] says why a request was not delivered and what would help. [`Refusals`] decides what happens to the
//!   request then, and [`Outbox`] holds the requests of one export. [`reply`] reads and formats the answers of
//!   receivers.
//!
//! Settings come through a [`Reader`](meterkit_settings::Reader), not from the process environment. Only the variables
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`, which name the certificate authorities of the system, are read directly.
//!
//! ```
//! use std::time::Duration;
//!
//! use http::{HeaderMap, HeaderValue};
//! use meterkit_http::{
//!     Client, Compression, Headers, Post, SendError, Transport, TransportHints, reply,
//! };
//!
//! async fn send(metrics: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//!     let uri = "https://metrics.example.com/v1/series".parse()?;
//!     let hints = TransportHints {
//!         package: "my-target",
//!         certificate: "MY_CERTIFICATE",
//!         timeout: "MY_TIMEOUT",
//!         credentials: &["MY_TOKEN"],
//!         endpoint: "MY_URL",
//!         ..TransportHints::default()
//!     };
//!     let transport = Transport::default().with_timeout(Duration::from_secs(10)).with_hints(hints);
//!     let mut credentials = Headers::default();
//!     credentials.insert("Authorization", b"Bearer 3f2a")?;
//!     let client = Client::new(&uri, &transport)?.with_headers(credentials, "my-target/1.0");
//!
//!     let compression = Compression::Gzip;
//!     let post = Post {
//!         uri: uri.clone(),
//!         headers: HeaderMap::new(),
//!         content_type: HeaderValue::from_static("application/json"),
//!         content_encoding: compression.content_encoding(),
//!         body: compression.compress(metrics)?.into(),
//!     };
//!     let reply = client.send(post).await?;
//!     if !reply.status().is_success() {
//!         let error = SendError::of(&reply, &reply::message(&reply), &client.secrets());
//!         println!("{error}; retry after {:?}", error.retry_after);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! - `tls` (on by default) is required for `https`.
//! - `zstd` (on by default) is required for the compression of that name.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod advice;
mod authentication;
mod clear_text;
mod client;
mod clock;
mod compression;
mod connector;
mod headers;
mod link;
mod outbox;
mod proxy;
mod redact;
mod refusals;
pub mod reply;
mod secret;
mod send_error;
mod size_limit;
pub mod tls;
pub mod transport;
pub mod url;

pub use self::authentication::{Authentication, AuthenticationSettings};
pub use self::client::{Client, Post, Reply, in_time};
pub use self::compression::{Compression, CompressionError};
pub use self::connector::{Connection, Connector};
pub use self::headers::{HeaderError, Headers};
pub use self::link::{Access, Link};
pub use self::outbox::{Divide, Dropped, Outbox};
pub use self::proxy::{Proxies, Proxy, ProxyError, ProxySettings, proxy};
pub use self::refusals::{Next, Refusals, Verdict};
pub use self::secret::Secret;
pub use self::send_error::{SendError, SendErrorKind};
pub use self::tls::TlsError;
pub use self::transport::{Transport, TransportHints, TransportSettings};

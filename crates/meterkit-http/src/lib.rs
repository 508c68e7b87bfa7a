//! How push targets of `meterkit` send over HTTP. For authors of targets.
//!
//! - [`Client`] posts to the receiver of one target; [`Connector`] is below it, for protocols on HTTP/2 such as gRPC.
//! - [`Transport`] says how the receiver is reached: [`Pems`] for encryption, [`Proxies`] on the way.
//! - [`Headers`], [`Secret`], [`Compression`] and [`url`] are for a target's settings. What may be secret is in no
//!   `Debug` and no error.
//! - [`reply`] reads and shows what receivers answer; [`News`] keeps the same answer from being logged every time.
//!
//! Nothing here reads the process environment: variables come through a function.
//!
//! ```
//! use http::{HeaderValue, StatusCode};
//! use meterkit_http::{
//!     Client, Compression, Headers, Pems, Post, Proxies, TlsHints, Transport, reply,
//! };
//!
//! async fn send(metrics: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//!     let uri = "https://metrics.example.com/v1/series".parse()?;
//!     let hints = TlsHints { package: "my-target", authorities: "name a file in `MY_CERTIFICATE`" };
//!     let transport = Transport {
//!         target: &uri,
//!         pems: &Pems::default(),
//!         proxies: &Proxies::default(),
//!         hints,
//!     };
//!     let client = Client::new(&transport)?;
//!
//!     let mut headers = Headers::default();
//!     headers.insert("Authorization", b"Bearer 3f2a")?;
//!     let compression = Compression::Gzip;
//!     let post = Post {
//!         uri: uri.clone(),
//!         headers: headers.as_map().clone(),
//!         content_type: HeaderValue::from_static("application/json"),
//!         content_encoding: compression.content_encoding(),
//!         body: compression.compress(metrics)?.into(),
//!     };
//!     let reply = client.send(post).await?;
//!     if reply.status() == StatusCode::TOO_MANY_REQUESTS {
//!         println!("once more after {:?}", reply::retry_after(reply.headers()));
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! `tls` (on by default) is needed for `https`, `zstd` (on by default) for the compression of that name.

mod client;
mod compression;
mod connector;
mod headers;
mod news;
mod proxy;
pub mod reply;
mod secret;
mod tls;
pub mod url;

pub use self::client::{Client, NoAnswer, Post, Reply};
pub use self::compression::{Compression, CompressionError};
pub use self::connector::{Connection, Connector, Transport};
pub use self::headers::{HeaderError, Headers};
pub use self::news::News;
pub use self::proxy::{Proxies, Proxy, ProxyError, ProxyVariables};
pub use self::secret::Secret;
pub use self::tls::{Pems, TlsError, TlsHints};
pub use meterkit_pipeline::VariableError;

//! Connections to the receiver, directly or through a proxy, with or without encryption.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use meterkit_rules::Cause;
use tower_service::Service;

pub(crate) use self::route::ProxyFailed;
use self::route::Route;
use crate::proxy::Proxy;
use crate::send_error::cause_of;
use crate::tls::TlsError;
use crate::transport::Transport;

mod route;

/// A connector that opens connections to one receiver.
///
/// Through a proxy, `https` uses a tunnel. `http` requests over HTTP/1.1 are forwarded by the proxy and must be sent by
/// [`Client`](crate::Client), which adds the proxy's credentials.
#[derive(Clone)]
pub struct Connector(Box<Parts>);

#[derive(Clone)]
struct Parts {
    inner: Inner,
    /// The proxy on the way to the receiver, if any.
    proxy: Option<Proxy>,
    /// Whether the proxy forwards each request instead of opening a tunnel.
    is_forwarded: bool,
    is_http2: bool,
}

#[cfg(feature = "tls")]
type Inner = hyper_rustls::HttpsConnector<Route>;
#[cfg(not(feature = "tls"))]
type Inner = Route;

/// A client for requests with a body of type `B`. It connects with the first request, on the caller's runtime, and
/// follows no redirects.
pub type Connection<B> = legacy::Client<Connector, B>;

type BoxError = Box<dyn Error + Send + Sync>;

impl Connector {
    /// Creates a connector to the scheme, host and port of `receiver`. It speaks only HTTP/2 if `is_http2`, also
    /// without TLS, and only HTTP/1.1 otherwise.
    pub(crate) fn new(
        receiver: &Uri,
        transport: &Transport,
        is_http2: bool,
    ) -> Result<Self, TlsError> {
        let proxy = transport.proxies.as_ref().and_then(|proxies| proxies.of(receiver));
        let is_secure = receiver.scheme_str() == Some("https");
        // Few proxies allow tunnels to ports other than 443, so forward where possible. Proxies cannot read HTTP/2
        // requests.
        let is_forwarded = proxy.is_some() && !is_secure && !is_http2;
        let route = match &proxy {
            None => Route::Direct(plain()),
            Some(proxy) => {
                let to_proxy = to_proxy(transport, proxy.is_secure())?;
                if is_forwarded {
                    Route::Forwarded(to_proxy, proxy.clone())
                } else {
                    Route::tunneling(to_proxy, proxy.clone())
                }
            }
        };
        let inner = encrypted(transport, is_secure, is_http2, route)?;
        Ok(Self(Box::new(Parts { inner, proxy, is_forwarded, is_http2 })))
    }

    /// Returns a client that uses this connector.
    pub(crate) fn connection<B>(self) -> Connection<B>
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http2_only(self.0.is_http2)
            .build(self)
    }

    /// Returns the proxy on the way to the receiver, if any.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.0.proxy.as_ref()
    }

    /// Returns whether the proxy forwards each request instead of opening a tunnel.
    pub(crate) fn is_forwarded(&self) -> bool {
        self.0.is_forwarded
    }
}

impl Service<Uri> for Connector {
    type Response = <Inner as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.inner.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (receiver, proxy) = (target.clone(), self.0.proxy.clone());
        let connection = self.0.inner.call(target);
        Box::pin(async move {
            connection.await.map_err(|cause| {
                // The error of a failure on the way to the proxy already names the proxy.
                match cause_of(&*cause) {
                    Cause::Tls => HandshakeFailed { receiver, proxy, cause }.into(),
                    _ => cause,
                }
            })
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("proxy", &self.0.proxy)
            .field("is_http2", &self.0.is_http2)
            .finish_non_exhaustive()
    }
}

/// The error of a failed TLS handshake with the receiver, which may have used a tunnel through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("TLS handshake with the receiver `{}`{} failed", origin(receiver), through(proxy.as_ref()))]
struct HandshakeFailed {
    receiver: Uri,
    proxy: Option<Proxy>,
    #[source]
    cause: BoxError,
}

fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
}

fn through(proxy: Option<&Proxy>) -> String {
    proxy.map_or_else(String::new, |proxy| format!(" through the proxy `{proxy}`"))
}

/// The connector to a proxy.
#[cfg(feature = "tls")]
type ToProxy = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type ToProxy = HttpConnector;

#[cfg(feature = "tls")]
fn to_proxy(transport: &Transport, is_secure: bool) -> Result<ToProxy, TlsError> {
    // The client certificate is only for the receiver.
    let transport = Transport { identity: None, ..transport.clone() };
    let config = crate::tls::client_config(is_secure.then_some(&transport))?;
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(builder.https_or_http().enable_http1().wrap_connector(plain()))
}

// `Proxy::new` has already refused a proxy that needs encryption.
#[cfg(not(feature = "tls"))]
fn to_proxy(_: &Transport, _is_secure: bool) -> Result<ToProxy, TlsError> {
    Ok(plain())
}

/// Returns `route`, with encryption if the receiver requires it.
#[cfg(feature = "tls")]
fn encrypted(
    transport: &Transport,
    is_secure: bool,
    is_http2: bool,
    route: Route,
) -> Result<Inner, TlsError> {
    let config = crate::tls::client_config(is_secure.then_some(transport))?;
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
    let builder = builder.https_or_http();
    Ok(if is_http2 {
        builder.enable_http2().wrap_connector(route)
    } else {
        builder.enable_http1().wrap_connector(route)
    })
}

#[cfg(not(feature = "tls"))]
fn encrypted(
    transport: &Transport,
    is_secure: bool,
    _is_http2: bool,
    route: Route,
) -> Result<Inner, TlsError> {
    if is_secure { Err(TlsError::NotBuiltIn(transport.hints().package)) } else { Ok(route) }
}

fn plain() -> HttpConnector {
    let mut plain = HttpConnector::new();
    // The layer above handles `https`, so accept URLs of both schemes.
    plain.enforce_http(false);
    plain.set_nodelay(true);
    plain
}

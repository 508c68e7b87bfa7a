//! The HTTP client below both transports.
//!
//! It follows no redirect, which would carry credentials elsewhere, and takes no proxy from the environment.

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::Endpoint;
use crate::tls::{Pems, TlsError};

#[cfg(feature = "tls")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
pub(crate) type Connector = HttpConnector;

/// Connects when it is first needed, on the runtime that asks.
pub(crate) type Connection<B> = Client<Connector, B>;

/// A client that connects with `connector`.
pub(crate) fn connection<B>(connector: Connector, is_http2: bool) -> Connection<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http2_only(is_http2)
        .build(connector)
}

/// What connects to `endpoint`. Certificates are read now, so that a bad one is known at the start.
#[cfg(feature = "tls")]
pub(crate) fn connector(
    endpoint: &Endpoint,
    is_http2: bool,
    pems: &Pems,
) -> Result<Connector, TlsError> {
    let config = if endpoint.is_secure() {
        crate::tls::client_config(pems)?
    } else {
        // Never used: without certificates it works on systems that have none.
        let none = rustls::RootCertStore::empty();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Identity(error.to_string()))?
            .with_root_certificates(none)
            .with_no_client_auth()
    };
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
    let builder = builder.https_or_http();
    Ok(if is_http2 {
        builder.enable_http2().wrap_connector(plain())
    } else {
        builder.enable_http1().wrap_connector(plain())
    })
}

#[cfg(not(feature = "tls"))]
pub(crate) fn connector(
    endpoint: &Endpoint,
    _is_http2: bool,
    _pems: &Pems,
) -> Result<Connector, TlsError> {
    if endpoint.is_secure() { Err(TlsError::NotBuiltIn) } else { Ok(plain()) }
}

fn plain() -> HttpConnector {
    let mut plain = HttpConnector::new();
    // The layer above tells `https` from `http`.
    plain.enforce_http(false);
    plain.set_nodelay(true);
    plain
}

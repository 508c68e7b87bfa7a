//! Credentials that are fetched or computed for each request: expiring tokens, and signatures.

mod authenticator;
mod cached;

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use meterkit_http::Headers;

pub(crate) use self::authenticator::Authenticator;
pub use self::cached::{Cached, Expiring};

/// Authenticates the requests of one target, for receivers for which constant headers are not sufficient.
///
/// Install an implementation with [`OtlpConfig::with_credentials`](crate::OtlpConfig::with_credentials). The target
/// asks for headers before each request. An implementation can return a cached token, fetch a new token before the old
/// one expires, or sign the request. [`Cached`] implements the cache.
///
/// If no headers can be returned, nothing is sent and nothing is lost: the export fails with the returned error, and is
/// retried as if the receiver were down. No log line shows the headers, even if the receiver quotes them.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use bytes::Bytes;
/// use http::{HeaderMap, Request, StatusCode};
/// use meterkit_otlp::{
///     Cached, Credentials, CredentialsError, Expiring, Headers, HeadersFuture, OtlpConfig, Protocol,
/// };
///
/// struct Token(Cached<String>);
///
/// impl Credentials for Token {
///     fn headers<'a>(&'a self, _: &'a Request<Bytes>) -> HeadersFuture<'a> {
///         Box::pin(async {
///             let token = self.0.get_or_fetch(fetch()).await?;
///             let mut headers = Headers::default();
///             headers.insert("Authorization", format!("Bearer {token}").as_bytes())?;
///             Ok(headers)
///         })
///     }
///
///     fn rejected(&self, status: StatusCode, _: &HeaderMap) -> bool {
///         status == StatusCode::UNAUTHORIZED && self.0.forget()
///     }
/// }
///
/// async fn fetch() -> Result<Expiring<String>, CredentialsError> {
///     let expires = SystemTime::now() + Duration::from_secs(3600);
///     Ok(Expiring { value: "3f2a".to_owned(), expires: Some(expires) })
/// }
///
/// let config = OtlpConfig::new(Protocol::HttpProtobuf, "https://otlp.example.com/v1/metrics")?
///     .with_credentials(Token(Cached::default()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Credentials: Send + Sync + 'static {
    /// Returns the headers that authenticate `request`. They replace headers with the same names.
    ///
    /// `request` contains the URL, the headers that describe the body, and the body as it is sent: compressed and, over
    /// gRPC, framed. The headers of [`OtlpConfig::with_header`](crate::OtlpConfig::with_header) and those of the
    /// connection are added later. The timeout of a request also limits this call.
    fn headers<'a>(&'a self, request: &'a Request<Bytes>) -> HeadersFuture<'a>;

    /// Called after the receiver rejected the headers, with the status 401 or 403 and the headers of the response. Over
    /// gRPC, `UNAUTHENTICATED` becomes 401 and `PERMISSION_DENIED` becomes 403. Returns whether to ask for headers
    /// again and resend the request at once. The default implementation returns `true` for 401.
    fn rejected(&self, status: StatusCode, answer: &HeaderMap) -> bool {
        let _ = answer;
        status == StatusCode::UNAUTHORIZED
    }
}

impl<T: Credentials + ?Sized> Credentials for Arc<T> {
    fn headers<'a>(&'a self, request: &'a Request<Bytes>) -> HeadersFuture<'a> {
        (**self).headers(request)
    }

    fn rejected(&self, status: StatusCode, answer: &HeaderMap) -> bool {
        (**self).rejected(status, answer)
    }
}

/// A future that resolves to the headers, or to the error for which there are none.
pub type HeadersFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Headers, CredentialsError>> + Send + 'a>>;

/// The error if no headers can be returned. Its text is logged, so it must not contain a secret.
pub type CredentialsError = Box<dyn Error + Send + Sync>;

/// The credentials of one target, in the form that its settings contain.
#[derive(Clone)]
pub(crate) struct Hook(pub(crate) Arc<dyn Credentials>);

impl PartialEq for Hook {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Hook {}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[per request]")
    }
}

//! An HTTP/1.1 client for one receiver.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use meterkit_rules::Cause;
use tokio::time::Instant;

use crate::headers::Headers;
use crate::link::{Access, Link};
use crate::proxy::Proxy;
use crate::send_error::{SendError, is_of_identity};
use crate::tls::TlsError;
use crate::transport::Transport;
use crate::url;

/// A client that sends requests to the receiver of one target.
///
/// It connects with the first request, on the caller's tokio runtime, and keeps the connection. It sends only the given
/// headers, and follows no redirects, which could carry credentials elsewhere. Secrets and certificates from files are
/// read again when the files change: see [`Link`]. `Debug` shows no credentials.
#[derive(Clone)]
pub struct Client {
    link: Link,
    timeout: Option<Duration>,
    /// The name of the setting that changes the timeout.
    setting: &'static str,
    product: &'static str,
}

/// A request to send. `Debug` shows only the names of its headers, and not the query of its URL.
#[derive(Clone)]
pub struct Post {
    /// The URL, with the scheme and host for which the client was created.
    pub uri: Uri,
    /// The headers of this request. The client adds its own headers and those of the body and the connection.
    pub headers: HeaderMap,
    /// The header `Content-Type`.
    pub content_type: HeaderValue,
    /// The header `Content-Encoding`, if any. The body must already be compressed.
    pub content_encoding: Option<HeaderValue>,
    /// The body of the request.
    pub body: Bytes,
}

/// The answer of a receiver, with any status. A body that is longer than 4 MiB or incomplete is replaced by an empty
/// one.
pub type Reply = Response<Bytes>;

impl Client {
    /// Creates a client for the scheme, host and port of `receiver`. Certificates are read now, so that an invalid one
    /// causes an error at startup.
    ///
    /// # Errors
    ///
    /// Returns an error if encryption is needed but not built in, or if certificates cannot be used.
    pub fn new(receiver: &Uri, transport: &Transport) -> Result<Self, TlsError> {
        Ok(Self {
            link: Link::http1(receiver, transport)?,
            timeout: transport.timeout(),
            setting: transport.hints().timeout,
            product: "",
        })
    }

    /// Sends `credentials` and the user agent `product` with every request. Logs a warning if the credentials are sent
    /// to the receiver without encryption.
    #[must_use]
    pub fn with_headers(mut self, credentials: Headers, product: &'static str) -> Self {
        self.link = self.link.with_headers(credentials);
        self.product = product;
        self
    }

    /// Returns the URL for which the client was created.
    pub fn receiver(&self) -> &Uri {
        self.link.receiver()
    }

    /// Returns by how many seconds the receiver's clock is ahead of this machine's, according to its last reply;
    /// negative if it is behind. `None` if no reply contained the time.
    pub fn clock_skew(&self) -> Option<i64> {
        self.link.clock_skew()
    }

    /// Returns the headers of every request whose values must not be shown.
    pub fn secrets(&self) -> Headers {
        self.link.in_use().headers.clone()
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    ///
    /// Returns an error if the receiver cannot be reached or does not answer within the timeout of the transport.
    pub async fn send(&self, post: Post) -> Result<Reply, SendError> {
        let mut request = Request::new(post.body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = post.uri;
        *request.headers_mut() = post.headers;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, post.content_type);
        if let Some(encoding) = post.content_encoding {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        self.request(request).await
    }

    /// Sends a GET request for `uri` with these headers and waits for the answer.
    ///
    /// # Errors
    ///
    /// Returns an error if the receiver cannot be reached or does not answer within the timeout of the transport.
    pub async fn get(&self, uri: Uri, headers: HeaderMap) -> Result<Reply, SendError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.request(request).await
    }

    /// Sends a request with any method to the scheme and host for which the client was created, and waits for the
    /// answer. A request that is refused with status 401 or 403, or because of a TLS failure, is sent once more if the
    /// secrets or certificates have changed since.
    ///
    /// # Errors
    ///
    /// Returns an error if the receiver cannot be reached or does not answer within the timeout of the transport.
    pub async fn request(&self, request: Request<Bytes>) -> Result<Reply, SendError> {
        in_time(self.timeout, self.setting, async {
            if self.link.is_fixed() {
                return self.ask(request, &self.link.in_use()).await;
            }
            let access = self.link.current().await;
            let outcome = self.ask(request.clone(), &access).await;
            let is_refused = match &outcome {
                Ok(reply) => is_of_identity(reply.status()),
                Err(error) => error.is_of_identity(),
            };
            if !is_refused || !self.link.is_renewed_since(&access).await {
                return outcome;
            }
            self.ask(request, &self.link.in_use()).await
        })
        .await?
    }

    async fn ask(&self, request: Request<Bytes>, access: &Access) -> Result<Reply, SendError> {
        let Access { connection, headers: secrets, connector } = access;
        let mut request = request.map(Full::new);
        let common = secrets.with_user_agent(self.product);
        let own = std::mem::replace(request.headers_mut(), common);
        let headers = request.headers_mut();
        headers.extend(own);
        let forwarder = connector.proxy().filter(|_| connector.is_forwarded());
        if let Some(authorization) = forwarder.and_then(Proxy::authorization) {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let begun = Instant::now();
        let response = connection.request(request).await;
        let response = response.map_err(|error| {
            let may_have_arrived = !error.is_connect();
            let mut unanswered = SendError::unanswered(&error, may_have_arrived, secrets);
            // A connection error already names the proxy.
            if let Some(proxy) = forwarder.filter(|_| may_have_arrived) {
                unanswered.reason += &format!(" (through the proxy `{proxy}`)");
            }
            unanswered
        });
        let (head, body) = response?.into_parts();
        self.link.note_reply(&head.headers, begun);
        if let Some(proxy) = forwarder.filter(|_| head.status == ASKED_BY_PROXY) {
            let status = head.status;
            let reason = format!("proxy `{proxy}` refuses the request: HTTP status {status}");
            return Err(SendError::no_answer(Cause::Proxy, reason, false));
        }
        let body = match Limited::new(body, LARGEST_REPLY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                // The status alone is enough: it says whether the receiver accepted the request.
                tracing::debug!(%error, "the body of a response could not be read");
                Bytes::new()
            }
        };
        Ok(Response::from_parts(head, body))
    }
}

/// Waits for `answer` until `timeout` has passed. `setting` is the name of the setting that changes the timeout, or
/// empty.
///
/// # Errors
///
/// Returns an error if the timeout passes. The receiver may have received the request nevertheless.
pub async fn in_time<T>(
    timeout: Option<Duration>,
    setting: &str,
    answer: impl Future<Output = T>,
) -> Result<T, SendError> {
    let Some(timeout) = timeout else {
        return Ok(answer.await);
    };
    tokio::time::timeout(timeout, answer).await.map_err(|_| {
        let setting = if setting.is_empty() { String::new() } else { format!(" ({setting})") };
        let reason = format!("no answer within {} ms{setting}", timeout.as_millis());
        SendError::no_answer(Cause::Timeout, reason, true)
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("link", &self.link)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("Post")
            .field("uri", &format_args!("{}", url::shown(&self.uri.to_string())))
            .field("headers", &headers)
            .field("content_type", &self.content_type)
            .field("content_encoding", &self.content_encoding)
            .field("bytes", &self.body.len())
            .finish()
    }
}

/// The status of a proxy that requires credentials. No receiver answers with it.
const ASKED_BY_PROXY: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;

/// The largest body of a reply, as OpenTelemetry's protocol specification recommends.
const LARGEST_REPLY: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_request_shows_no_values() {
        let post = Post {
            uri: Uri::from_static("http://receiver/v1?token=hunter2"),
            headers: HeaderMap::from_iter([("x-key".parse().unwrap(), "hunter2".parse().unwrap())]),
            content_type: HeaderValue::from_static("text/plain"),
            content_encoding: None,
            body: Bytes::from_static(b"hunter2"),
        };
        let text = format!("{post:?}");
        assert!(text.contains("http://receiver/v1?...") && text.contains("x-key"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

//! A client of one receiver, over HTTP/1.1.

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

/// Sends requests to the receiver of one target.
///
/// It connects with the first request, on the tokio runtime of the caller, and keeps the connection. It sends the
/// headers it is given and no others, and follows no redirect, which would carry credentials elsewhere. Secrets and
/// certificates that come from files are read again when these change: see [`Link`]. `Debug` shows no credentials.
#[derive(Clone)]
pub struct Client {
    link: Link,
    timeout: Option<Duration>,
    /// The setting that changes the timeout.
    setting: &'static str,
    product: &'static str,
}

/// A request that can be sent. `Debug` shows the names of its headers only, and no query.
#[derive(Clone)]
pub struct Post {
    /// Where it goes, with the scheme and the host that the client was made for.
    pub uri: Uri,
    /// Headers of this request alone. The client adds its own, and those of the body and of the connection.
    pub headers: HeaderMap,
    /// The header `Content-Type`.
    pub content_type: HeaderValue,
    /// The header `Content-Encoding`, if there is to be one. The body is compressed already.
    pub content_encoding: Option<HeaderValue>,
    /// What is sent.
    pub body: Bytes,
}

/// What the receiver answered, with any status. A body longer than 4 MiB, or one that breaks off, is empty.
pub type Reply = Response<Bytes>;

impl Client {
    /// Returns a client for the scheme, host and port of `receiver`. Certificates are read now, so that a bad one is an
    /// error at the start.
    ///
    /// # Errors
    ///
    /// When encryption is needed but not built in, or certificates cannot be used.
    pub fn new(receiver: &Uri, transport: &Transport) -> Result<Self, TlsError> {
        Ok(Self {
            link: Link::http1(receiver, transport)?,
            timeout: transport.timeout(),
            setting: transport.hints().timeout,
            product: "",
        })
    }

    /// Sends `credentials` and the user agent `product` with every request. Warns if credentials can be read on their
    /// way to the receiver.
    #[must_use]
    pub fn with_headers(mut self, credentials: Headers, product: &'static str) -> Self {
        self.link = self.link.with_headers(credentials);
        self.product = product;
        self
    }

    /// Returns the URL that the client was made for.
    pub fn receiver(&self) -> &Uri {
        self.link.receiver()
    }

    /// Returns by how many seconds the receiver's clock is ahead of this machine's, or behind if negative, as far as its
    /// last reply shows. `None` if no reply did.
    pub fn clock_skew(&self) -> Option<i64> {
        self.link.clock_skew()
    }

    /// Returns what every request carries that must not be shown.
    pub fn secrets(&self) -> Headers {
        self.link.in_use().headers.clone()
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer within the timeout of the transport.
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

    /// Requests what is at `uri`, with these headers, and waits for the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer within the timeout of the transport.
    pub async fn get(&self, uri: Uri, headers: HeaderMap) -> Result<Reply, SendError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.request(request).await
    }

    /// Sends a request with any method to the scheme and the host that the client was made for, and waits for the
    /// answer. A request that is refused with status 401 or 403, or for a failure of TLS, is sent once more if the secrets
    /// or certificates have changed since.
    ///
    /// # Errors
    ///
    /// When there is no answer within the timeout of the transport.
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
            // An error of the connection names the proxy itself.
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
                // The status line counts: the receiver has the request, or has refused it.
                tracing::debug!(%error, "the body of a response could not be read");
                Bytes::new()
            }
        };
        Ok(Response::from_parts(head, body))
    }
}

/// Waits for `answer`, for as long as `timeout` allows. `setting` names what changes the timeout, if not empty.
///
/// # Errors
///
/// When the time is over. The receiver may have the request by then.
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

/// No receiver has this status.
const ASKED_BY_PROXY: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;

/// By OpenTelemetry's protocol specification.
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

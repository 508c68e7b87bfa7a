//! The labels of the four metrics. A client cannot choose their values freely: methods, schemes and versions are closed
//! lists, and routes are templates of the application.

use http::{Request, Response, StatusCode, Uri, Version};
use meterkit_core::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};
use meterkit_macros::{LabelValue, Labels};

/// Labels that an application adds to the labels of the conventions.
///
/// The metrics `http.server.request.duration`, `http.server.request.body.size` and `http.server.response.body.size` get
/// these labels. Values come from the request and, if there is one, from the response. Use labels with few values: if a
/// label holds text that clients send, every different text creates a series.
///
/// ```
/// use http::{Request, Response};
/// use meterkit::tower::{HttpMetrics, RequestLabels};
/// use meterkit::{LabelValue, Labels};
///
/// #[derive(Labels)]
/// struct Api {
///     plan: Plan,
///     #[label(name = "cache.hit")]
///     is_hit: Option<bool>,
/// }
///
/// #[derive(Clone, Copy, LabelValue)]
/// enum Plan {
///     Free,
///     Paid,
/// }
///
/// impl RequestLabels for Api {
///     fn of_request<B>(request: &Request<B>) -> Self {
///         // An outer middleware has inserted the plan.
///         let plan = request.extensions().get::<Plan>().copied();
///         Self { plan: plan.unwrap_or(Plan::Free), is_hit: None }
///     }
///
///     fn on_response<B>(&mut self, response: &Response<B>) {
///         self.is_hit = Some(response.headers().contains_key("age"));
///     }
/// }
///
/// let layer = HttpMetrics::<Api>::with_labels();
/// # let _ = (layer, Plan::Paid);
/// ```
pub trait RequestLabels: Labels + Sized + 'static {
    /// Returns the labels of a request, before the application handles it.
    fn of_request<B>(request: &Request<B>) -> Self;

    /// Updates the labels from the response. Not called if the request ends without a response. Does nothing by
    /// default.
    fn on_response<B>(&mut self, response: &Response<B>) {
        let _ = response;
    }
}

/// No labels beyond the labels of the conventions.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct NoLabels;

impl Labels for NoLabels {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[];

    #[inline]
    fn visit(&self, _: &mut impl LabelVisitor) {}
}

impl RequestLabels for NoLabels {
    #[inline]
    fn of_request<B>(_: &Request<B>) -> Self {
        Self
    }
}

/// The labels of requests in progress.
#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
pub(crate) struct Active {
    #[label(name = "http.request.method")]
    pub(crate) method: Method,
    #[label(name = "url.scheme")]
    pub(crate) scheme: Scheme,
}

/// The labels of a request that has ended: first the labels of the conventions, then the labels of the application.
pub(crate) struct Ended<'a, L> {
    pub(crate) request: Conventional<'a>,
    pub(crate) added: &'a L,
}

#[derive(Labels)]
#[label(crate = "meterkit_core")]
pub(crate) struct Conventional<'a> {
    #[label(name = "http.request.method")]
    pub(crate) method: Method,
    #[label(name = "url.scheme")]
    pub(crate) scheme: Scheme,
    #[label(name = "network.protocol.version")]
    pub(crate) version: Option<ProtocolVersion>,
    #[label(name = "http.route")]
    pub(crate) route: Option<&'a str>,
    #[label(name = "http.response.status_code")]
    pub(crate) status: Option<u16>,
    #[label(name = "error.type")]
    pub(crate) error: Option<ErrorType>,
}

// The derive cannot flatten a reference to a type parameter.
impl<L: Labels + 'static> Labels for Ended<'_, L> {
    type Set = Ended<'static, L>;
    const KEYS: &'static [LabelKey] = {
        let (keys, count) = &const { LabelKey::join(&[Conventional::KEYS, L::KEYS]) };
        keys.split_at(*count).0
    };

    #[inline]
    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.request.visit(visitor);
        self.added.visit(visitor);
    }
}

/// The methods that the conventions list, and `_OTHER` for all others.
#[derive(Clone, Copy, PartialEq, LabelValue)]
#[label(crate = "meterkit_core", rename_all = "UPPERCASE")]
pub(crate) enum Method {
    Connect,
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
    Query,
    Trace,
    #[label(name = "_OTHER")]
    Other,
}

impl Method {
    pub(crate) fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::CONNECT => Self::Connect,
            http::Method::DELETE => Self::Delete,
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::OPTIONS => Self::Options,
            http::Method::PATCH => Self::Patch,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::TRACE => Self::Trace,
            // The oldest supported version of `http` has no constant for this method.
            _ if method.as_str() == "QUERY" => Self::Query,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, LabelValue)]
#[label(crate = "meterkit_core")]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Returns the scheme that the request states, which only HTTP/2 requests and requests to a proxy do. Otherwise
    /// returns `otherwise`.
    pub(crate) fn of(uri: &Uri, otherwise: Self) -> Self {
        match uri.scheme() {
            Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Self::Https,
            Some(scheme) if *scheme == http::uri::Scheme::HTTP => Self::Http,
            _ => otherwise,
        }
    }
}

#[derive(Clone, Copy, LabelValue)]
#[label(crate = "meterkit_core")]
pub(crate) enum ProtocolVersion {
    #[label(name = "0.9")]
    Http09,
    #[label(name = "1.0")]
    Http10,
    #[label(name = "1.1")]
    Http11,
    #[label(name = "2")]
    Http2,
    #[label(name = "3")]
    Http3,
}

impl ProtocolVersion {
    pub(crate) fn of(version: Version) -> Option<Self> {
        Some(match version {
            Version::HTTP_09 => Self::Http09,
            Version::HTTP_10 => Self::Http10,
            Version::HTTP_11 => Self::Http11,
            Version::HTTP_2 => Self::Http2,
            Version::HTTP_3 => Self::Http3,
            _ => return None,
        })
    }
}

/// Why a request failed.
#[derive(Clone, Copy)]
pub(crate) enum ErrorType {
    /// The response is a server error.
    Status(StatusCode),
    /// The response, or the rest of its body, was dropped.
    Canceled,
    /// The application panicked.
    Panic,
    /// The application returned an error instead of a response.
    Service,
    /// The body of the response ended with an error.
    Body,
}

impl LabelValue for ErrorType {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        match self {
            Self::Status(status) => LabelRef::Str(status.as_str()),
            Self::Canceled => LabelRef::Static("canceled"),
            Self::Panic => LabelRef::Static("panic"),
            Self::Service => LabelRef::Static("service_error"),
            Self::Body => LabelRef::Static("body_error"),
        }
    }
}

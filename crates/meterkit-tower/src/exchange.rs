//! One request and its response.

use std::fmt;
use std::sync::Arc;

use axum::extract::MatchedPath;
use http::{Request, Response, StatusCode};
use http_body::Body;
use meterkit_core::{GroupTimer, InFlight};

use crate::labels::{
    Active, Conventional, Ended, ErrorType, Method, ProtocolVersion, RequestLabels, Scheme,
};
use crate::layer::Settings;
use crate::request_size::RequestSize;

/// A request, from its head to the end of its response. The request is recorded when the exchange is dropped, so that
/// every request counts, however it ends.
pub(crate) struct Exchange<L: RequestLabels> {
    settings: Arc<Settings<L>>,
    _active: InFlight,
    /// Taken when the exchange is recorded.
    timer: Option<GroupTimer<Ended<'static, L>>>,
    about: Active,
    version: Option<ProtocolVersion>,
    /// The route template. Never the path, which clients can choose freely.
    route: Option<MatchedPath>,
    added: L,
    request_size: RequestSize,
    response_size: u64,
    status: Option<StatusCode>,
    error: Option<ErrorType>,
}

impl<L: RequestLabels> Exchange<L> {
    /// Starts to measure a request. Returns `None` if the request's route is excluded.
    pub(crate) fn begin<B: Body + 'static>(
        settings: &Arc<Settings<L>>,
        request: &mut Request<B>,
    ) -> Option<Self> {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let is_left_out =
            |route: &MatchedPath| settings.left_out.iter().any(|it| it == route.as_str());
        if !settings.left_out.is_empty() && route.as_ref().is_some_and(is_left_out) {
            return None;
        }
        let timer = settings.metrics.duration.start_timer();
        let scheme = Scheme::of(request.uri(), settings.scheme);
        let about = Active { method: Method::of(request.method()), scheme };
        Some(Self {
            _active: settings.metrics.active.with(about).guard(),
            timer: Some(timer),
            about,
            version: ProtocolVersion::of(request.version()),
            route,
            added: L::of_request(request),
            request_size: RequestSize::of(request.body_mut()),
            response_size: 0,
            status: None,
            // The outcome unless something else follows: the request is canceled once nobody polls it.
            error: Some(ErrorType::Canceled),
            settings: settings.clone(),
        })
    }

    /// Stores the status of the response, and lets the application's labels read its head.
    pub(crate) fn answer<B>(&mut self, response: &Response<B>) {
        let status = response.status();
        self.status = Some(status);
        self.added.on_response(response);
    }

    /// Returns whether the response ends with its head, whatever body the application returned: either the connection
    /// then belongs to another protocol, or the body is not sent.
    pub(crate) fn ends_with_head(&self) -> bool {
        let Some(status) = self.status else { return false };
        self.about.method == Method::Head
            || (self.about.method == Method::Connect && status.is_success())
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.response_size = self.response_size.saturating_add(bytes);
    }

    pub(crate) fn sent_so_far(&self) -> u64 {
        self.response_size
    }

    /// Records the request, if there is one, with its error. Works in place, because moving an exchange costs time.
    pub(crate) fn end(exchange: &mut Option<Self>, error: Option<ErrorType>) {
        exchange.iter_mut().for_each(|exchange| exchange.error = error);
        *exchange = None;
    }
}

impl<L: RequestLabels> Drop for Exchange<L> {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        let error = match (self.status, self.error) {
            (Some(status), _) if status.is_server_error() => Some(ErrorType::Status(status)),
            (_, Some(ErrorType::Canceled)) if std::thread::panicking() => Some(ErrorType::Panic),
            (_, error) => error,
        };
        let request = Conventional {
            method: self.about.method,
            scheme: self.about.scheme,
            version: self.version,
            route: self.route.as_ref().map(MatchedPath::as_str),
            status: self.status.map(|status| status.as_u16()),
            error,
        };
        let labels = Ended { request, added: &self.added };
        let metrics = &self.settings.metrics;
        timer.observe(&labels);
        if let Some(bytes) = self.request_size.bytes() {
            metrics.request_size.with(&labels).record(bytes);
        }
        if self.status.is_some() {
            metrics.response_size.with(&labels).record(self.response_size);
        }
    }
}

impl<L: RequestLabels> fmt::Debug for Exchange<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("route", &self.route.as_ref().map(MatchedPath::as_str))
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

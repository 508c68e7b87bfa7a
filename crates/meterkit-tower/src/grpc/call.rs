//! One call, from its request to its status.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use meterkit_core::GroupTimer;

use super::address::Address;
use super::deadline::time_limit;
use super::labels::{CallLabels, ErrorType, System};
use super::layer::{Settings, Side};
use super::methods::method_of;
use super::status::StatusCode;

/// A call in progress. The call is recorded when this value is dropped, so that every call counts, however it ends.
pub(crate) struct Call {
    settings: Arc<Settings>,
    /// Taken when the call is recorded.
    timer: Option<GroupTimer<CallLabels<'static>>>,
    path: Option<PathAndQuery>,
    /// Whether the method was known when the call began.
    is_known: bool,
    /// Whether the application has read the request. `None` if the method is already known.
    is_read: Option<Arc<AtomicBool>>,
    /// Whether the head of the response announces messages.
    has_head: bool,
    /// The server in the URI of a client's request.
    server: Option<Address>,
    time_limit: Option<Duration>,
    ending: Ending,
}

enum Ending {
    Status(StatusCode),
    /// The service or the body of the response returned an error.
    Failed,
    /// The call was dropped. This is the initial state, until something else is known.
    Dropped,
}

impl Call {
    /// Starts to measure a call. Returns `None` if the request is not gRPC.
    pub(crate) fn begin<B>(settings: &Arc<Settings>, request: &Request<B>) -> Option<Self> {
        if !is_grpc(request.headers()) {
            return None;
        }
        let timer = settings.duration.start_timer();
        let path = request.uri().path_and_query();
        let method = path.and_then(|path| method_of(path.path()));
        let mut is_known = method.is_some_and(|method| settings.methods.contains(method));
        let mut server = None;
        if settings.side == Side::Client {
            // A client's stubs contain only methods that exist.
            is_known = is_known || method.is_some_and(|method| settings.methods.learn(method));
            server = Address::of(request.uri());
        }
        Some(Self {
            timer: Some(timer),
            path: path.cloned(),
            is_known,
            is_read: None,
            has_head: false,
            server,
            time_limit: time_limit(request.headers()),
            ending: Ending::Dropped,
            settings: settings.clone(),
        })
    }

    /// Returns the flag that the request body must set when it is read, or `None` if the method is already known.
    pub(crate) fn watch_request(&mut self) -> Option<Arc<AtomicBool>> {
        if !self.is_known {
            self.is_read = Some(Arc::default());
        }
        self.is_read.clone()
    }

    /// Evaluates the head of the response. Returns the status if the head contains it.
    pub(crate) fn answer<B>(&mut self, response: &Response<B>) -> Option<StatusCode> {
        let status = StatusCode::of(response.headers());
        if status.is_none() && !response.status().is_success() {
            return Some(StatusCode::of_http(response.status()));
        }
        self.has_head = status.is_none() && is_grpc(response.headers());
        status
    }

    /// Records a call that ended with a status.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.ending = Ending::Status(status);
    }

    /// Records a call that ended with an error instead of a status.
    pub(crate) fn fail(mut self) {
        self.ending = Ending::Failed;
    }

    fn outcome(&self, elapsed: Duration) -> (Option<StatusCode>, Option<ErrorType>) {
        let side = self.settings.side;
        let is_late = self.time_limit.is_some_and(|limit| elapsed >= limit);
        let status = match self.ending {
            Ending::Status(status) => status,
            Ending::Dropped if side == Side::Server && std::thread::panicking() => {
                return (None, Some(ErrorType::Panic));
            }
            Ending::Dropped | Ending::Failed if is_late => StatusCode::DeadlineExceeded,
            Ending::Dropped => StatusCode::Canceled,
            Ending::Failed => return (None, Some(ErrorType::Transport)),
        };
        let is_error = match side {
            Side::Server => status.is_server_error(),
            Side::Client => status != StatusCode::Ok,
        };
        (Some(status), is_error.then_some(ErrorType::Status(status)))
    }

    /// Returns whether the call shows that the server implements its method: the application has answered the call, or
    /// has read it without ending it as `UNIMPLEMENTED`.
    fn shows_method(&self) -> bool {
        let is_read = self.is_read.as_ref().is_some_and(|is_read| is_read.load(Relaxed));
        let is_refused = matches!(self.ending, Ending::Status(StatusCode::Unimplemented));
        self.has_head || (is_read && !is_refused)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        let (status, error) = self.outcome(timer.elapsed());
        let methods = &self.settings.methods;
        let method = self.path.as_ref().and_then(|path| method_of(path.path()));
        let is_known =
            |method: &&str| self.is_known || (self.shows_method() && methods.learn(method));
        let server = self.settings.server.as_ref().or(self.server.as_ref());
        timer.observe(&CallLabels {
            system: System::Grpc,
            method: method.filter(is_known).unwrap_or("_OTHER"),
            status,
            error,
            address: server.map(Address::host),
            port: server.and_then(Address::port),
        });
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Returns whether the content type is gRPC. It is not for gRPC-Web, which sends its trailers in the body.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    let suffix = content_type.and_then(|it| it.strip_prefix(b"application/grpc"));
    suffix.is_some_and(|suffix| matches!(suffix, [] | [b'+' | b';' | b' ', ..]))
}

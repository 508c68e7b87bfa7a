//! The bodies of a call, which contain messages and, at the end of a response, the status.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::Call;
use super::status::StatusCode;

pin_project! {
    /// The body of a request. A server reads it only if it implements the method.
    #[derive(Debug)]
    pub struct GrpcRequestBody<B> {
        #[pin]
        body: B,
        // Taken when the body is first polled.
        is_read: Option<Arc<AtomicBool>>,
    }
}

pin_project! {
    /// The body of a measured response. The call ends with the body's trailers, or when the body is dropped.
    #[derive(Debug)]
    pub struct GrpcResponseBody<B> {
        #[pin]
        body: B,
        // Taken at the end.
        call: Option<Call>,
    }
}

impl<B> GrpcRequestBody<B> {
    pub(crate) fn new(body: B, is_read: Option<Arc<AtomicBool>>) -> Self {
        Self { body, is_read }
    }
}

impl<B: Body> Body for GrpcRequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Some(is_read) = this.is_read.take() {
            is_read.store(true, Relaxed);
        }
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> GrpcResponseBody<B> {
    pub(crate) fn wrap(response: Response<B>, call: Option<Call>) -> Response<Self> {
        let call = call.and_then(|mut call| match call.answer(&response) {
            Some(status) => {
                call.end(status);
                None
            }
            None if response.body().is_end_stream() => {
                call.end(StatusCode::Unknown);
                None
            }
            None => Some(call),
        });
        response.map(|body| Self { body, call })
    }
}

impl<B: Body> Body for GrpcResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let Some(call) = this.call.take() else { return Poll::Ready(frame) };
        match &frame {
            None => call.end(StatusCode::Unknown),
            Some(Err(_)) => call.fail(),
            Some(Ok(part)) => match part.trailers_ref() {
                Some(trailers) => call.end(StatusCode::of(trailers).unwrap_or(StatusCode::Unknown)),
                // Readers need not poll for another frame after the last one.
                None if this.body.is_end_stream() => call.end(StatusCode::Unknown),
                None => *this.call = Some(call),
            },
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Bodies whose bytes are counted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use reqwest::{Body, Response, ResponseBuilderExt};

use crate::exchange::{Exchange, RequestSize};
use crate::labels::ErrorType;

/// Returns the size of a request body. Wraps a body of unknown size, so that its bytes are counted as they are sent.
pub(crate) fn count_request(body: &mut Body) -> RequestSize {
    if let Some(bytes) = body.size_hint().exact() {
        return RequestSize::Known(bytes);
    }
    let bytes = Arc::new(AtomicU64::new(0));
    let inner = std::mem::take(body);
    *body = Body::wrap(RequestBody { inner, bytes: bytes.clone() });
    RequestSize::Counted(bytes)
}

/// Makes the exchange end with the body of the response.
pub(crate) fn measure_response(response: Response, mut exchange: Exchange) -> Response {
    exchange.answer(&response);
    // A response without a body ends with its head. reqwest also reports a length of 0 for responses to `HEAD`.
    if response.content_length() == Some(0) {
        return response;
    }
    let url = response.url().clone();
    let (parts, body) = http::Response::<Body>::from(response).into_parts();
    let body = Body::wrap(ResponseBody { body, exchange: Some(exchange) });
    // reqwest reads the URL from the extensions.
    let with_url = http::Response::builder().url(url).body(());
    let mut response = http::Response::from_parts(parts, body);
    if let Ok(with_url) = with_url {
        response.extensions_mut().extend(with_url.into_parts().0.extensions);
    }
    response.into()
}

pin_project! {
    /// The body of a request, whose bytes are counted as they are sent.
    struct RequestBody {
        #[pin]
        inner: Body,
        bytes: Arc<AtomicU64>,
    }
}

pin_project! {
    /// The body of a response. The request ends when the last byte of the body is read, or when the body is dropped.
    struct ResponseBody {
        #[pin]
        body: Body,
        // Taken at the end.
        exchange: Option<Exchange>,
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref()) {
            this.bytes.fetch_add(data.len() as u64, Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let Some(mut exchange) = this.exchange.take() else { return Poll::Ready(frame) };
        match &frame {
            // Dropping the exchange records the request.
            None => {}
            Some(Err(error)) => exchange.fail(match ErrorType::of(error) {
                timeout @ ErrorType::Cause("timeout") => timeout,
                _ => ErrorType::Cause("body"),
            }),
            Some(Ok(part)) => {
                exchange.received(part.data_ref().map_or(0, |data| data.len() as u64));
                // Readers need not poll for another frame after the last one.
                if !this.body.is_end_stream() {
                    *this.exchange = Some(exchange);
                }
            }
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

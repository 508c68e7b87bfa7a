//! The body of a response, whose end is the end of the request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::exchange::Exchange;
use crate::labels::{ErrorType, RequestLabels};

pin_project! {
    /// The body of a response that is measured: the request ends when its last byte is taken, or when it is dropped.
    #[derive(Debug)]
    pub struct ResponseBody<B, L: RequestLabels> {
        #[pin]
        body: B,
        // Taken at the end.
        exchange: Option<Exchange<L>>,
        // What `Content-Length` says of a body that does not know its size: servers stop to read after so many bytes.
        stated: Option<u64>,
    }

    impl<B, L: RequestLabels> PinnedDrop for ResponseBody<B, L> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(exchange) = this.exchange.take() {
                if *this.stated == Some(exchange.sent_so_far()) {
                    exchange.complete();
                }
            }
        }
    }
}

impl<B: Body, L: RequestLabels> ResponseBody<B, L> {
    pub(crate) fn wrap(response: Response<B>, mut exchange: Option<Exchange<L>>) -> Response<Self> {
        let mut stated = None;
        if let Some(mut current) = exchange.take() {
            current.answer(&response);
            if response.body().is_end_stream() || current.ends_with_head() {
                current.complete();
            } else {
                let size = response.body().size_hint().exact();
                let header = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
                stated = size.or_else(header);
                exchange = Some(current);
            }
        }
        response.map(|body| Self { body, exchange, stated })
    }
}

impl<B: Body, L: RequestLabels> Body for ResponseBody<B, L> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        let Some(mut exchange) = this.exchange.take() else { return Poll::Ready(frame) };
        match &frame {
            None => exchange.complete(),
            Some(Err(_)) => exchange.fail(ErrorType::Body),
            Some(Ok(part)) => {
                exchange.sent(part.data_ref().map_or(0, |data| data.remaining() as u64));
                // Servers do not ask for a frame after the last one.
                if this.body.is_end_stream() {
                    exchange.complete();
                } else {
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

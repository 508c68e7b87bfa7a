//! The body of a response. The request ends when the body ends.

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
    /// The body of a measured response. The request ends when the last byte of the body is read, or when the body is
    /// dropped.
    #[derive(Debug)]
    pub struct ResponseBody<B, L: RequestLabels> {
        #[pin]
        body: B,
        // Taken at the end.
        exchange: Option<Exchange<L>>,
        // The exact size of the body, or its `Content-Length`: servers stop reading after that many bytes.
        stated: Option<u64>,
    }

    impl<B, L: RequestLabels> PinnedDrop for ResponseBody<B, L> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let sent = this.exchange.as_ref().map(Exchange::sent_so_far);
            if sent.is_some() && sent == *this.stated {
                Exchange::end(this.exchange, None);
            }
        }
    }
}

impl<B: Body, L: RequestLabels> ResponseBody<B, L> {
    pub(crate) fn wrap(response: Response<B>, mut exchange: Option<Exchange<L>>) -> Response<Self> {
        let mut stated = None;
        if let Some(current) = &mut exchange {
            current.answer(&response);
            if response.body().is_end_stream() || current.ends_with_head() {
                Exchange::end(&mut exchange, None);
            } else {
                let size = response.body().size_hint().exact();
                let header = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
                stated = size.or_else(header);
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
        match &frame {
            None => Exchange::end(this.exchange, None),
            Some(Err(_)) => Exchange::end(this.exchange, Some(ErrorType::Body)),
            Some(Ok(part)) => {
                let bytes = part.data_ref().map_or(0, |data| data.remaining() as u64);
                this.exchange.iter_mut().for_each(|exchange| exchange.sent(bytes));
                // Servers do not poll for another frame after the last one. Trailers are always the last frame.
                if part.is_trailers() || this.body.is_end_stream() {
                    Exchange::end(this.exchange, None);
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

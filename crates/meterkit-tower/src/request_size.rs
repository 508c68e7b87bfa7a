//! The size of a request body in bytes.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The size of a request body.
pub(crate) enum RequestSize {
    /// There is no body, or its size is unknown.
    None,
    /// The size that the client stated.
    Stated(u64),
    /// The client did not state a size: bytes are counted as the application reads them.
    Counted(Arc<AtomicU64>),
}

impl RequestSize {
    pub(crate) fn of<B: Body + 'static>(body: &mut B) -> Self {
        match body.size_hint().exact() {
            Some(0) => Self::None,
            Some(bytes) => Self::Stated(bytes),
            None => Self::count(body),
        }
    }

    pub(crate) fn bytes(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Stated(bytes) => Some(*bytes),
            Self::Counted(bytes) => Some(bytes.load(Relaxed)),
        }
    }

    /// Counts the bytes of an axum body. Such a body can wrap any other body, so the application still sees the same
    /// type.
    fn count<B: 'static>(body: &mut B) -> Self {
        let body: &mut dyn Any = body;
        let Some(body) = body.downcast_mut::<AxumBody>() else { return Self::None };
        let bytes = Arc::new(AtomicU64::new(0));
        let inner = std::mem::take(body);
        *body = AxumBody::new(CountedBody { inner, bytes: bytes.clone() });
        Self::Counted(bytes)
    }
}

pin_project! {
    /// An axum body whose bytes are counted.
    struct CountedBody {
        #[pin]
        inner: AxumBody,
        bytes: Arc<AtomicU64>,
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
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

//! The service around an application, and its future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::exchange::Exchange;
use crate::labels::{ErrorType, RequestLabels};
use crate::layer::Settings;

/// A service whose requests are measured. Created by [`HttpMetrics`](crate::HttpMetrics).
#[derive(Debug)]
pub struct HttpMetricsService<S, L: RequestLabels> {
    pub(crate) inner: S,
    pub(crate) settings: Arc<Settings<L>>,
}

impl<S: Clone, L: RequestLabels> Clone for HttpMetricsService<S, L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: self.settings.clone() }
    }
}

impl<S, L, Q, R> Service<Request<Q>> for HttpMetricsService<S, L>
where
    S: Service<Request<Q>, Response = Response<R>>,
    L: RequestLabels,
    Q: Body + 'static,
    R: Body,
{
    type Response = Response<ResponseBody<R, L>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, L>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        // Start measuring first: the work that the application does before it returns its future is part of the
        // request.
        let exchange = Exchange::begin(&self.settings, &mut request);
        ResponseFuture { future: self.inner.call(request), exchange }
    }
}

pin_project! {
    /// The response future of a measured service.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct ResponseFuture<F, L: RequestLabels> {
        // Declared before the exchange, so that it is dropped first: what the application drops is part of the request.
        #[pin]
        future: F,
        // `None` if the route is excluded.
        exchange: Option<Exchange<L>>,
    }
}

impl<F, L, R, E> Future for ResponseFuture<F, L>
where
    F: Future<Output = Result<Response<R>, E>>,
    L: RequestLabels,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R, L>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.future.poll(cx)) {
            Ok(response) => Ok(ResponseBody::wrap(response, this.exchange.take())),
            Err(error) => {
                Exchange::end(this.exchange, Some(ErrorType::Service));
                Err(error)
            }
        })
    }
}

//! The services around an application or a channel, and their future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{GrpcRequestBody, GrpcResponseBody};
use super::call::Call;
use super::layer::Settings;

/// A server whose calls are measured. Created by [`GrpcServerMetrics`](super::GrpcServerMetrics).
#[derive(Clone, Debug)]
pub struct GrpcServerService<S> {
    pub(crate) inner: S,
    pub(crate) settings: Arc<Settings>,
}

/// A client whose calls are measured. Created by [`GrpcClientMetrics`](super::GrpcClientMetrics).
#[derive(Clone, Debug)]
pub struct GrpcClientService<S> {
    pub(crate) inner: S,
    pub(crate) settings: Arc<Settings>,
}

impl<S, Q, R> Service<Request<Q>> for GrpcServerService<S>
where
    S: Service<Request<GrpcRequestBody<Q>>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<GrpcResponseBody<R>>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // Start measuring first: the work that the application does before it returns its future is part of the call.
        let mut call = Call::begin(&self.settings, &request);
        let is_read = call.as_mut().and_then(Call::watch_request);
        let request = request.map(|body| GrpcRequestBody::new(body, is_read));
        GrpcFuture { future: self.inner.call(request), call }
    }
}

impl<S, Q, R> Service<Request<Q>> for GrpcClientService<S>
where
    S: Service<Request<Q>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<GrpcResponseBody<R>>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let call = Call::begin(&self.settings, &request);
        GrpcFuture { future: self.inner.call(request), call }
    }
}

pin_project! {
    /// The response future of a measured call.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct GrpcFuture<F> {
        // Declared before the call, so that it is dropped first: what the application drops is part of the call.
        #[pin]
        future: F,
        // `None` if the request is not gRPC.
        call: Option<Call>,
    }
}

impl<F, R, E> Future for GrpcFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<GrpcResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        let call = this.call.take();
        Poll::Ready(match result {
            Ok(response) => Ok(GrpcResponseBody::wrap(response, call)),
            Err(error) => {
                call.into_iter().for_each(Call::fail);
                Err(error)
            }
        })
    }
}

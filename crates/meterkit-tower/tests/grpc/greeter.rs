//! A service like those that tonic generates, and its clients.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::uri::PathAndQuery;
use meterkit::testing::{ManualClock, TestKit};
use meterkit::tower::grpc::{GrpcClientMetrics, GrpcClientService, GrpcServerMetrics};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::client;
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::server::{self, NamedService};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, ServiceBuilder, service_fn};

use crate::service::PATIENCE;

/// Greets people, and advances the clock, so that durations are known.
#[derive(Clone)]
pub(crate) struct Greeter {
    clock: ManualClock,
    /// Notified by each handler that waits forever.
    pub(crate) stuck: Arc<Notify>,
}

impl Greeter {
    pub(crate) fn new(kit: &TestKit) -> Self {
        Self { clock: kit.clock().clone(), stuck: Arc::default() }
    }

    /// Takes a quarter of a second.
    async fn hello(self, request: Request<String>) -> Result<Response<String>, Status> {
        match request.get_ref().as_str() {
            "nobody" => Err(Status::not_found("nobody has this name")),
            "broken" => Err(Status::internal("as the test wants it")),
            "later" => Err(Status::unimplemented("not for this name")),
            "panic" => panic!("as the test wants it"),
            "slow" => self.wait(Duration::from_secs(2 * 60 * 60)).await,
            "stuck" => self.wait(Duration::from_secs(1)).await,
            name => {
                self.clock.advance(Duration::from_millis(250));
                Ok(Response::new(format!("Hello {name}")))
            }
        }
    }

    async fn wait<T>(self, time: Duration) -> T {
        self.clock.advance(time);
        self.stuck.notify_one();
        pending().await
    }

    /// Greets three times, or as the request asks. Each greeting takes one second.
    async fn greet(self, request: Request<String>) -> Result<Response<Greetings>, Status> {
        let clock = self.clock;
        let greetings = stream::repeat(()).map(move |()| {
            clock.advance(Duration::from_secs(1));
            Ok("Hello".to_owned())
        });
        Ok(Response::new(match request.get_ref().as_str() {
            "endless" => greetings.boxed(),
            "torn" => {
                greetings.take(1).chain(stream::iter([Err(Status::data_loss("torn"))])).boxed()
            }
            _ => greetings.take(3).boxed(),
        }))
    }

    /// Greets everyone in the stream.
    async fn meet(
        self,
        request: Request<Streaming<String>>,
    ) -> Result<Response<Greetings>, Status> {
        let clock = self.clock;
        let greetings = request.into_inner().map(move |name| {
            clock.advance(Duration::from_secs(1));
            name.map(|name| format!("Hello {name}"))
        });
        Ok(Response::new(greetings.boxed()))
    }
}

type Greetings = BoxStream<'static, Result<String, Status>>;

impl NamedService for Greeter {
    const NAME: &'static str = "test.Greeter";
}

impl<B> Service<http::Request<B>> for Greeter
where
    B: http_body::Body<Data = Bytes, Error: Into<tower::BoxError> + Send> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let this = self.clone();
        let mut grpc = server::Grpc::new(ProstCodec::<String, String>::default());
        match request.uri().path() {
            "/test.Greeter/Hello" => Box::pin(async move {
                let hello = service_fn(move |request| this.clone().hello(request));
                Ok(grpc.unary(hello, request).await)
            }),
            "/test.Greeter/Greet" => Box::pin(async move {
                let greet = service_fn(move |request| this.clone().greet(request));
                Ok(grpc.server_streaming(greet, request).await)
            }),
            "/test.Greeter/Meet" => Box::pin(async move {
                let meet = service_fn(move |request| this.clone().meet(request));
                Ok(grpc.streaming(meet, request).await)
            }),
            _ => Box::pin(async {
                let mut response = http::Response::new(Body::default());
                let headers = response.headers_mut();
                headers.insert(Status::GRPC_STATUS, (Code::Unimplemented as i32).into());
                headers.insert(http::header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
                Ok(response)
            }),
        }
    }
}

/// A measured server, which stops when this value is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(metrics: GrpcServerMetrics, routes: Routes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut server = tonic::transport::Server::builder().layer(metrics);
        let serving = server.add_routes(routes).serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async move { serving.await.expect("it serves") });
        Self { address, task }
    }

    /// Starts the greeter and a client, both with layers that record in the kit's registry.
    pub(crate) async fn greeter(kit: &TestKit) -> (Self, Greeter, Client) {
        let greeter = Greeter::new(kit);
        let metrics = GrpcServerMetrics::new_in(kit.registry()).expect("an instrument");
        let server = Self::start(metrics, Routes::new(greeter.clone())).await;
        let client = Client::of(&server.endpoint(), kit);
        (server, greeter, client)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).expect("a URI")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A measured client like those that tonic generates.
#[derive(Clone)]
pub(crate) struct Client {
    grpc: client::Grpc<GrpcClientService<Channel>>,
}

impl Client {
    pub(crate) fn of(endpoint: &Endpoint, kit: &TestKit) -> Self {
        let metrics = GrpcClientMetrics::new_in(kit.registry()).expect("an instrument");
        let layer = metrics.server(endpoint.uri());
        let channel = ServiceBuilder::new().layer(layer).service(endpoint.connect_lazy());
        Self { grpc: client::Grpc::new(channel) }
    }

    pub(crate) async fn hello(
        self,
        request: impl tonic::IntoRequest<String>,
    ) -> Result<String, Status> {
        self.unary("/test.Greeter/Hello", request).await
    }

    pub(crate) async fn unary(
        mut self,
        path: &str,
        request: impl tonic::IntoRequest<String>,
    ) -> Result<String, Status> {
        self.grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path: PathAndQuery = path.parse().expect("a path");
        let request = request.into_request();
        Ok(self.grpc.unary(request, path, ProstCodec::default()).await?.into_inner())
    }

    pub(crate) async fn greet(mut self, name: &str) -> Result<Streaming<String>, Status> {
        self.grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static("/test.Greeter/Greet");
        let request = Request::new(name.to_owned());
        Ok(self.grpc.server_streaming(request, path, ProstCodec::default()).await?.into_inner())
    }

    pub(crate) async fn meet(
        mut self,
        names: &'static [&str],
    ) -> Result<Streaming<String>, Status> {
        self.grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static("/test.Greeter/Meet");
        let request = Request::new(stream::iter(names).map(|&name| name.to_owned()));
        Ok(self.grpc.streaming(request, path, ProstCodec::default()).await?.into_inner())
    }
}

/// Waits until `lines` contains this line: the server may end a call after the client.
pub(crate) async fn until(kit: &TestKit, line: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !lines(kit).iter().any(|it| it == line) {
        let lines = lines(kit);
        assert!(tokio::time::Instant::now() < deadline, "{line} is not among {lines:#?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns one line per recorded series, with short names, and without minimum, maximum, buckets and addresses.
pub(crate) fn lines(kit: &TestKit) -> Vec<String> {
    let text = kit.collect().without_self_metrics().to_string();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| line.split(" min=").next().unwrap_or(line));
    lines
        .map(|line| {
            let line =
                SHORT.iter().fold(line.to_owned(), |it, (long, short)| it.replace(long, short));
            match line.split_once(",server.address=") {
                Some((before, after)) => {
                    format!("{before}}}{}", after.split_once('}').expect("labels").1)
                }
                None => line,
            }
        })
        .collect()
}

const SHORT: [(&str, &str); 6] = [
    ("\"", ""),
    ("rpc.method=test.Greeter/", ""),
    ("rpc.method=", ""),
    ("rpc.status_code=", ""),
    (",rpc.system.name=grpc", ""),
    ("rpc.", ""),
];

//! A measured gRPC server and a measured client, with a scrape endpoint:
//!
//! ```console
//! $ cargo run -p meterkit-tower --example greeter &
//! $ curl -s localhost:9464/metrics | grep -E '^rpc_.*_count'
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use http::Response;
use meterkit::Telemetry;
use meterkit::tower::grpc::{GrpcClientMetrics, GrpcServerMetrics};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic_prost::ProstCodec;
use tower::{ServiceBuilder, service_fn};

const SAY_HELLO: &str = "/greeter.Greeter/SayHello";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::from_env()?.install()?;

    // With generated code, write `.add_service(GreeterServer::new(..))` instead.
    let routes = Router::new().route(SAY_HELLO, post(serve));
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let endpoint = Endpoint::from_shared(format!("http://{}", incoming.local_addr()?))?;
    let mut server = Server::builder().layer(GrpcServerMetrics::new());
    tokio::spawn(server.add_routes(routes.into()).serve_with_incoming(incoming));

    // With generated code, write `GreeterClient::new(channel)` below.
    let metrics = GrpcClientMetrics::new().server(endpoint.uri());
    let channel = ServiceBuilder::new().layer(metrics).service(endpoint.connect_lazy());
    let mut client = tonic::client::Grpc::new(channel);
    for _ in 0..600 {
        client.ready().await?;
        let request = tonic::Request::new("Ada".to_owned());
        client.unary(request, SAY_HELLO.parse()?, codec()).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(telemetry.shutdown().await?)
}

async fn serve(request: Request) -> Response<Body> {
    tonic::server::Grpc::new(codec()).unary(service_fn(say_hello), request).await
}

async fn say_hello(name: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
    Ok(tonic::Response::new(format!("Hello {}", name.get_ref())))
}

fn codec() -> ProstCodec<String, String> {
    ProstCodec::default()
}

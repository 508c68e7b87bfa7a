//! gRPC metrics of servers and clients that are tower services, as those of [tonic](https://docs.rs/tonic) are.
//!
//! A server has one line, by version 1.45 of OpenTelemetry's [semantic conventions for gRPC][conventions]:
//!
//! ```
//! # use tonic::service::Routes;
//! use meterkit::tower::grpc::GrpcServerMetrics;
//! use tonic::transport::Server;
//!
//! # let routes = Routes::default();
//! let server = Server::builder().layer(GrpcServerMetrics::new()).add_routes(routes);
//! # let _ = server;
//! ```
//!
//! And so has a client:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use meterkit::tower::grpc::GrpcClientMetrics;
//! use tonic::transport::Endpoint;
//! use tower::ServiceBuilder;
//!
//! let endpoint = Endpoint::from_static("http://greeter.example:50051");
//! let channel = ServiceBuilder::new()
//!     .layer(GrpcClientMetrics::new().server(endpoint.uri()))
//!     .service(endpoint.connect_lazy());
//! // let client = GreeterClient::new(channel);
//! # let _ = channel;
//! # }
//! ```
//!
//! | metric | kind, unit | what it is |
//! |---|---|---|
//! | `rpc.server.call.duration` | histogram, `s` | from the head of the request to the status of the call |
//! | `rpc.client.call.duration` | histogram, `s` | from the call to its status |
//!
//! Earlier versions of the conventions also had the sizes and numbers of messages, without a replacement today, and named
//! these two `rpc.server.duration` and `rpc.client.duration`, in milliseconds.
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `rpc.system.name` | `grpc` |
//! | `rpc.method` | service and method, `greeter.v1.Greeter/SayHello`, or `_OTHER`: see [below](#methods) |
//! | `rpc.status_code` | the status as gRPC names it, `OK` or `NOT_FOUND`; none where the call ended without one |
//! | `error.type` | what a call failed of; none for one that went well |
//! | `server.address`, `server.port` | on clients: what [`server`](GrpcClientMetrics::server) says, else the request's URI |
//!
//! # Methods
//!
//! Anybody can send any path to a server, so a path becomes a label only once the server has shown that it has this method:
//! when the application has read the body of such a request, or has answered it with messages. Until then, calls that an
//! interceptor refuses and calls that are `UNIMPLEMENTED` are `_OTHER`. A method that is known stays known.
//!
//! A client calls the methods of its stubs, so it names all of them. Servers and clients name up to 1024 methods each.
//!
//! With [`GrpcServerMetrics::methods`], the methods of a list are known from the start, and no others. A proxy forwards the
//! paths of its own clients, so give it a list on both sides.
//!
//! # How calls end
//!
//! A call ends with its status, which is in the trailers that follow the messages, or in the head of an answer without
//! messages. A stream of a minute makes a call of a minute. Calls that end in another way are counted too:
//!
//! | `rpc.status_code` | `error.type` | what happened |
//! |---|---|---|
//! | `CANCELLED` | the status, on clients | the call was dropped: the client left, or an outer layer gave up |
//! | `DEADLINE_EXCEEDED` | the status | the call was dropped or failed after the time in the request's `grpc-timeout` |
//! | by [gRPC's table][http] | by the status | the response is plain HTTP, from a proxy for example: 503 is `UNAVAILABLE` |
//! | `UNKNOWN` | the status | the messages ended without a status |
//! | none | `transport_error` | the inner service or the response body failed: a client has no connection |
//! | none | `panic` | the application panicked, on servers |
//!
//! Otherwise, `error.type` is the status if it is an error: on clients all but `OK`, on servers `UNKNOWN`,
//! `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`.
//!
//! The time limits of tonic's `Server::timeout` and `Endpoint::timeout` are not in the request. A call that exceeds one is
//! `CANCELLED` on a server and a `transport_error` on a client. A call that exceeds that of `Request::set_timeout` is
//! `DEADLINE_EXCEEDED` on both, although tonic 0.14 itself reports `CANCELLED`.
//!
//! Requests that are not gRPC, by their `Content-Type`, are not measured. gRPC-Web is measured inside of the layer that
//! translates it.
//!
//! # Why not another layer
//!
//! In November 2026, no crate records these metrics: `tower-otel` 0.12 has spans of gRPC only,
//! `opentelemetry-instrumentation-tower` 0.19 knows HTTP only, and `tonic-otel-layer` 0.2 and `tonic_prometheus_layer` 0.3
//! have names of their own.
//!
//! [conventions]: https://github.com/open-telemetry/semantic-conventions/blob/v1.45.0/docs/rpc/grpc.md
//! [http]: https://github.com/grpc/grpc/blob/v1.75.0/doc/http-grpc-status-mapping.md

mod address;
mod body;
mod call;
mod deadline;
mod labels;
mod layer;
mod methods;
mod metrics;
mod service;
mod status;

pub use self::body::{GrpcRequestBody, GrpcResponseBody};
pub use self::layer::{GrpcClientMetrics, GrpcServerMetrics};
pub use self::service::{GrpcClientService, GrpcFuture, GrpcServerService};

//! gRPC metrics for servers and clients that are tower services, such as those of [tonic](https://docs.rs/tonic).
//!
//! The metrics follow version 1.45 of OpenTelemetry's [semantic conventions for gRPC][conventions]. A server needs one
//! line:
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
//! So does a client:
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
//! | metric | kind, unit | meaning |
//! |---|---|---|
//! | `rpc.server.call.duration` | histogram, `s` | time from the head of the request to the status of the call |
//! | `rpc.client.call.duration` | histogram, `s` | time from the call to its status |
//!
//! Earlier versions of the conventions also defined the sizes and numbers of messages, which have no replacement today.
//! They named the two metrics above `rpc.server.duration` and `rpc.client.duration`, in milliseconds.
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `rpc.system.name` | `grpc` |
//! | `rpc.method` | service and method, `greeter.v1.Greeter/SayHello`, or `_OTHER`: see [below](#methods) |
//! | `rpc.status_code` | gRPC's name of the status, such as `OK` or `NOT_FOUND`; absent if the call ended without a status |
//! | `error.type` | why the call failed; absent if it succeeded |
//! | `server.address`, `server.port` | only on clients: set by [`server`](GrpcClientMetrics::server), otherwise taken from the request's URI |
//!
//! # Methods
//!
//! Anyone can send any path to a server. A path therefore becomes a label only once the server has shown that it
//! implements the method: when the application has read the body of a request for the method, or has answered it with
//! messages. Until then, calls that an interceptor refuses and calls that are `UNIMPLEMENTED` are `_OTHER`. A known
//! method stays known.
//!
//! A client calls the methods of its stubs, so all of its methods become labels. Servers and clients are limited to
//! 1024 methods each.
//!
//! With [`GrpcServerMetrics::methods`] and [`GrpcClientMetrics::methods`], exactly the listed methods are known, from
//! the start. A proxy forwards the paths of its own clients, so give it a list on both sides.
//!
//! # How calls end
//!
//! A call ends with its status, which is in the trailers after the messages, or in the head of a response without
//! messages. If a stream lasts a minute, the call takes a minute. Calls that end in another way are counted too:
//!
//! | `rpc.status_code` | `error.type` | what happened |
//! |---|---|---|
//! | `CANCELLED` | the status, on clients | the call was dropped: the client disconnected, or an outer layer gave up |
//! | `DEADLINE_EXCEEDED` | the status | the call was dropped or failed after the time in the request's `grpc-timeout` |
//! | by [gRPC's table][http] | by the status | the response is plain HTTP, for example from a proxy: 503 is `UNAVAILABLE` |
//! | `UNKNOWN` | the status | the messages ended without a status |
//! | none | `transport_error` | the inner service or the response body failed, for example because a client has no connection |
//! | none | `panic` | the application panicked, on servers |
//!
//! Otherwise, `error.type` is the status if the status is an error: on clients every status except `OK`, on servers
//! `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`.
//!
//! The time limits of tonic's `Server::timeout` and `Endpoint::timeout` are not part of the request. A call that
//! exceeds such a limit is `CANCELLED` on a server and a `transport_error` on a client. A call that exceeds the limit
//! of `Request::set_timeout` is `DEADLINE_EXCEEDED` on both sides, although tonic 0.14 itself reports `CANCELLED`.
//!
//! Requests whose `Content-Type` is not gRPC are not measured. To measure gRPC-Web, place the layer inside the layer
//! that translates it.
//!
//! # Why not another layer
//!
//! As of November 2026, no other crate records these metrics: `tower-otel` 0.12 only creates spans for gRPC,
//! `opentelemetry-instrumentation-tower` 0.19 supports only HTTP, and `tonic-otel-layer` 0.2 and
//! `tonic_prometheus_layer` 0.3 use names of their own.
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

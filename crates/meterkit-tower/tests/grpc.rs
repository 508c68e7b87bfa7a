//! gRPC calls of every kind through the layers, with tonic over loopback where it takes a server.

mod answers;
mod calls;
mod greeter;
mod methods;

//! gRPC calls of every kind through the layers, with tonic over loopback where a server is needed.

mod answers;
mod calls;
mod greeter;
mod methods;

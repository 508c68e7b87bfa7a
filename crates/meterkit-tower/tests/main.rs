//! Requests of every kind through the layers, in axum and tonic, over sockets where it takes one.

mod added_labels;
mod bodies;
mod endings;
mod grpc;
mod heads;
mod instrumentation_tower;
mod service;

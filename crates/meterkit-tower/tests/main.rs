//! Requests of every kind through the layers, with axum and tonic, over sockets where necessary.

mod added_labels;
mod bodies;
mod endings;
mod grpc;
mod heads;
mod instrumentation_tower;
mod service;

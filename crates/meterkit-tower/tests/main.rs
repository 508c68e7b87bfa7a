//! Requests of every kind through the layer, in axum, over sockets where it takes one.

mod added_labels;
mod bodies;
mod endings;
mod heads;
mod instrumentation_tower;
mod service;

//! The same calls with other libraries, written as the documentation of each library recommends: with typed label sets
//! if the library supports them, and with its fastest lookup.
//!
//! Each of these modules provides
//!
//! - `counter`: without labels;
//! - `counter_of_closed_set`: an [`Operation`](crate::operation::Operation), looked up at each call;
//! - `counter_of_run_time_string`: a [`Request`](crate::labels::Request) whose tenant is a string that the caller
//!   keeps,
//!   looked up at each call;
//! - `counter_of_static_sets`: a `Request` of `&'static str`, one of 64 label sets at random;
//! - `counter_of_strings` and `counter_of_fresh_strings`: three strings that the caller keeps, or that are allocated
//!   for each call;
//! - `histogram`: without labels;
//! - `counter_series` and `histogram_series`: a value that holds a number of series of a counter or of a histogram.

pub mod fastmetrics;
pub mod measured;
pub mod metrics;
pub mod opentelemetry;
pub mod prometheus;
pub mod prometheus_client;

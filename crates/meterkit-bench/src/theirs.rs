//! The same calls with other libraries, written as the documentation of each recommends: with typed label sets where a
//! library has them, and with its fastest way to look a series up.
//!
//! Each of these modules gives
//!
//! - `counter`: without labels;
//! - `counter_of_closed_set`: an [`Operation`](crate::operation::Operation), looked up at each call;
//! - `counter_of_run_time_string`: a [`Request`](crate::labels::Request) whose tenant is a string of the caller's,
//!   looked up at each call;
//! - `counter_of_static_sets`: a `Request` of `&'static str`, one of 64 at random;
//! - `counter_of_strings` and `counter_of_fresh_strings`: three strings of the caller's, the same at each call or
//!   allocated for it;
//! - `histogram`: without labels;
//! - `counter_series` and `histogram_series`: something that holds so many series of a counter, or of a histogram.

pub mod fastmetrics;
pub mod measured;
pub mod metrics;
pub mod opentelemetry;
pub mod prometheus;
pub mod prometheus_client;

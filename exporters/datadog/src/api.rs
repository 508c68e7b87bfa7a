//! Sends metrics directly to Datadog's intake.

mod answer;
mod batch;
mod endpoints;
mod target;

pub(crate) use self::target::ApiTarget;

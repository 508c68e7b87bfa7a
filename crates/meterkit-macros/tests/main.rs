//! All integration tests of this crate in one binary, which links once.

mod label_value;
mod labels;
mod metrics;
mod plain_metrics;
mod spelling;

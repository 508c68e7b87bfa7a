//! Variables about the console target.

use std::time::Duration;

use crate::env::setting::{Setting, interval};
use crate::env::variable::Variable;

settings! {
    INTERVAL: Duration = interval("METERKIT_CONSOLE_INTERVAL")
        .target("console")
        .by_default("as `OTEL_METRIC_EXPORT_INTERVAL`")
        .meaning("the time between two exports of this target");
}

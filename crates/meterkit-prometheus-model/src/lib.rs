//! Prometheus' data model over the metrics of `meterkit`.

mod family;
mod labels;

pub use self::family::{Family, Member, TARGET_INFO, group};
pub use self::labels::{joined, scope_labels};

//! Prometheus' data model over the metrics of `meterkit`: the families, labels and histograms that Prometheus' text
//! format and remote write share.
//!
//! [`families`] groups [`ScopeMetrics`](meterkit_core::ScopeMetrics) by their Prometheus names, and decides which
//! metric keeps a name that several metrics share. [`for_each_label`] resolves equal labels of a series, and [`Joins`]
//! equal series of a family. Exponential histograms become [native](NativeHistogram) histograms, or [classic](Ladder)
//! histograms in formats that support only these.
//!
//! The rules are those of OpenTelemetry's "Prometheus and OpenMetrics Compatibility". Names come from
//! [`prometheus_name`](meterkit_rules::prometheus_name). Encoding and delivery are up to the exporters. [`exposition`]
//! reads texts of other libraries.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod exemplars;
pub mod exposition;
mod family;
mod histogram;
mod joins;
mod labels;
mod ladder;
mod native;
mod number;
mod plan;

pub use self::exemplars::{exemplar_in_bucket, exemplar_labels};
pub use self::family::{
    Collection, Families, Family, Member, TARGET_INFO, TARGET_INFO_HELP, families,
};
pub use self::histogram::{Bounds, cumulative_buckets, cumulative_counts};
pub use self::joins::Joins;
pub use self::labels::{LabelText, Labels, ScopeLabels, for_each_label};
pub use self::ladder::Ladder;
pub use self::native::{NativeBuckets, NativeHistogram};
pub use self::number::{sample_value, write_canonical, write_float};

//! The causes of differences between metrics, and how to remove each difference.

/// The cause of a difference between metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// NEW adds a prefix to the name.
    PrefixAdded,
    /// NEW lacks a prefix.
    PrefixMissing,
    /// NEW appends the unit to the name.
    UnitAppended,
    /// NEW lacks the unit in the name.
    UnitMissing,
    /// NEW appends `_total`.
    TotalAppended,
    /// NEW lacks `_total`.
    TotalMissing,
    /// The names differ in case, in `_` or in characters that Prometheus replaces.
    NameSpelling,
    /// NEW has `otel_scope_*` labels.
    ScopeLabelsAdded,
    /// NEW lacks `otel_scope_*` labels.
    ScopeLabelsMissing,
    /// NEW has `target_info`.
    TargetInfoAdded,
    /// NEW lacks `target_info`.
    TargetInfoMissing,
    /// NEW has metrics about meterkit itself.
    OwnMetricsAdded,
    /// NEW lacks metrics about meterkit itself.
    OwnMetricsMissing,
    /// NEW has `_created` samples.
    StartTimesAdded,
    /// NEW lacks `_created` samples.
    StartTimesMissing,
    /// A label has another key.
    LabelRenamed,
    /// NEW lacks a label.
    LabelMissing,
    /// NEW has an extra label.
    LabelAdded,
    /// Every metric of NEW has an extra label, with the same value everywhere.
    ConstantLabelAdded,
    /// The values of a label are spelled differently, or an enum has other values.
    LabelValues,
    /// NEW has the overflow series, which counts label sets beyond the cardinality limit.
    OverflowSeries,
    /// The metric has another type.
    TypeChanged,
    /// A summary became a histogram, or a histogram a summary.
    SummaryAgainstHistogram,
    /// Bucket bounds differ in their last digits only.
    BoundsInLastDigits,
    /// Bucket bounds, or quantiles, differ.
    BoundsChanged,
    /// The metric has another unit.
    UnitChanged,
    /// NEW lacks the metric.
    Missing,
    /// OLD lacks the metric.
    New,
}

impl Cause {
    /// All causes, in the order in which reports show them.
    pub const ALL: [Self; 28] = [
        Self::PrefixAdded,
        Self::PrefixMissing,
        Self::UnitAppended,
        Self::UnitMissing,
        Self::TotalAppended,
        Self::TotalMissing,
        Self::NameSpelling,
        Self::ScopeLabelsAdded,
        Self::ScopeLabelsMissing,
        Self::TargetInfoAdded,
        Self::TargetInfoMissing,
        Self::OwnMetricsAdded,
        Self::OwnMetricsMissing,
        Self::StartTimesAdded,
        Self::StartTimesMissing,
        Self::LabelRenamed,
        Self::LabelMissing,
        Self::LabelAdded,
        Self::ConstantLabelAdded,
        Self::LabelValues,
        Self::OverflowSeries,
        Self::TypeChanged,
        Self::SummaryAgainstHistogram,
        Self::BoundsInLastDigits,
        Self::BoundsChanged,
        Self::UnitChanged,
        Self::Missing,
        Self::New,
    ];

    /// Returns the identifier for scripts, such as `prefix-added`.
    pub const fn as_str(self) -> &'static str {
        self.texts().0
    }

    /// Returns a description of the difference: a sentence without its full stop.
    pub const fn title(self) -> &'static str {
        self.texts().1
    }

    /// Returns the setting or the code that removes the difference.
    pub const fn remedy(self) -> &'static str {
        self.texts().2
    }

    /// Returns whether the difference concerns the name of the metric.
    pub(super) const fn is_of_name(self) -> bool {
        matches!(
            self,
            Self::PrefixAdded
                | Self::PrefixMissing
                | Self::UnitAppended
                | Self::UnitMissing
                | Self::TotalAppended
                | Self::TotalMissing
                | Self::NameSpelling
                | Self::UnitChanged
        )
    }

    const fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::PrefixAdded => (
                "prefix-added",
                "NEW adds a prefix to the name",
                "Create the metrics with `Meter::plain()` or `#[metrics(plain)]`, or set `METERKIT_NAMING=plain`.",
            ),
            Self::PrefixMissing => (
                "prefix-missing",
                "NEW lacks a prefix in the name",
                "Write the full name in `Meter::plain()`, or `#[metrics(plain, prefix = \"..\")]` on a struct of metrics.",
            ),
            Self::UnitAppended => (
                "unit-appended",
                "NEW appends a unit to the name",
                "Create the metrics with `Meter::plain()`, or set `METERKIT_PROMETHEUS_UNIT_SUFFIXES=false`. With `known`, \
                 only units that `opentelemetry-prometheus` also appends remain. A view sets the \
                 unit of one metric.",
            ),
            Self::UnitMissing => (
                "unit-missing",
                "NEW lacks a unit at the end of the name",
                "Write the unit at the end of the name; or set it with `.unit(\"..\")`, on a meter other than \
                 `Meter::plain()`, with `METERKIT_PROMETHEUS_UNIT_SUFFIXES=true`; or rename the metric with a view.",
            ),
            Self::TotalAppended => (
                "total-appended",
                "NEW appends `_total` to the name",
                "Create the counters with `Meter::plain()`, or set `METERKIT_PROMETHEUS_TOTAL_SUFFIXES=false`.",
            ),
            Self::TotalMissing => (
                "total-missing",
                "NEW lacks `_total` at the end of the name",
                "Write `_total` at the end of the name; or create the counters with a meter other than `Meter::plain()`, with \
                 `METERKIT_PROMETHEUS_TOTAL_SUFFIXES=true`; or rename the metric with a view.",
            ),
            Self::NameSpelling => (
                "name-spelling",
                "The names differ in case or punctuation",
                "`Meter::plain()` keeps upper case, `:`, and several `_` in a row. `METERKIT_PROMETHEUS_TRANSLATION` decides \
                 what becomes of characters such as `.`.",
            ),
            Self::ScopeLabelsAdded => (
                "scope-labels-added",
                "NEW has labels that identify the scope",
                "Set `METERKIT_PROMETHEUS_SCOPE_INFO=false`, or create the metrics with `Meter::plain()`, which has no scope.",
            ),
            Self::ScopeLabelsMissing => (
                "scope-labels-missing",
                "NEW lacks labels that identify the scope",
                "Set `METERKIT_PROMETHEUS_SCOPE_INFO=true`, and create the metrics with `Meter::scoped` or `Meter::semconv`.",
            ),
            Self::TargetInfoAdded => (
                "target-info-added",
                "NEW exports the resource as a metric",
                "Set `METERKIT_PROMETHEUS_TARGET_INFO=false`.",
            ),
            Self::TargetInfoMissing => (
                "target-info-missing",
                "NEW does not export the resource as a metric",
                "Set `METERKIT_PROMETHEUS_TARGET_INFO=true`.",
            ),
            Self::OwnMetricsAdded => (
                "own-metrics-added",
                "NEW has metrics about meterkit itself",
                "Set `METERKIT_PROMETHEUS_SELF_METRICS=false`.",
            ),
            Self::OwnMetricsMissing => (
                "own-metrics-missing",
                "NEW lacks metrics about meterkit itself",
                "Set `METERKIT_PROMETHEUS_SELF_METRICS=true`. Some of them appear only with their first value.",
            ),
            Self::StartTimesAdded => (
                "start-times-added",
                "NEW has `_created` samples",
                "Set `METERKIT_PROMETHEUS_START_TIMES=false`.",
            ),
            Self::StartTimesMissing => (
                "start-times-missing",
                "NEW lacks `_created` samples",
                "Set `METERKIT_PROMETHEUS_START_TIMES=true`, and scrape OpenMetrics: the text format has no start times.",
            ),
            Self::LabelRenamed => (
                "label-renamed",
                "A label has another name",
                "Name the field as before with `#[label(name = \"..\")]`, or all fields with \
                 `#[label(rename_all = \"..\")]` on the struct.",
            ),
            Self::LabelMissing => (
                "label-missing",
                "NEW lacks a label",
                "Add a field to the labels, or `.attribute(key, value)` to the instrument or its meter if the value is always \
                 the same.",
            ),
            Self::LabelAdded => (
                "label-added",
                "NEW has an extra label",
                "Remove the field from the labels, or the attribute from the instrument or its meter.",
            ),
            Self::ConstantLabelAdded => (
                "constant-label-added",
                "Every metric of NEW has an extra label, with the same value",
                "Leave its key out of `METERKIT_PROMETHEUS_RESOURCE_CONSTANT_LABELS`, or remove `.attribute(..)` from \
                 `Telemetry::builder()`.",
            ),
            Self::LabelValues => (
                "label-values",
                "A label has other values",
                "Name the variants as before with `#[label(rename_all = \"..\")]` on the enum, or one of them with \
                 `#[label(name = \"..\")]`.",
            ),
            Self::OverflowSeries => (
                "overflow-series",
                "NEW exceeds its cardinality limit, and counts further label sets in one series",
                "Raise the limit with `.cardinality_limit(..)` of the group, or `METERKIT_CARDINALITY_LIMIT` for all.",
            ),
            Self::TypeChanged => (
                "type-changed",
                "The type differs",
                "Create the metric with the instrument for its old type: `counter`, `gauge` or `up_down_counter` (both are gauges \
                 in Prometheus), `histogram`. An `info` metric becomes a gauge that stays at 1; queries give the same result. They also \
                 do if a counter is `unknown`: in OpenMetrics, the format that `meterkit compare` requests from URLs, every counter \
                 without `_total` has that type.",
            ),
            Self::SummaryAgainstHistogram => (
                "summary-against-histogram",
                "A summary became a histogram, or a histogram a summary",
                "meterkit records no summaries. Query `histogram_quantile(0.99, rate(NAME_bucket[5m]))`, or have Prometheus record \
                 it under the old name. Sums and counts keep their names. See the migration page for `metrics`.",
            ),
            Self::BoundsInLastDigits => (
                "bounds-in-last-digits",
                "Bounds of buckets differ in their last digits",
                "Compute the bounds as before: `Buckets::exponential` multiplies again and again, as the crate `prometheus` \
                 does; `Buckets::exponential_by_powers` takes powers, as `prometheus-client` does. Or list the bounds.",
            ),
            Self::BoundsChanged => (
                "bounds-changed",
                "Bounds of buckets, or quantiles, differ",
                "Set the old bounds with `.buckets(..)`. By default, bounds follow the unit.",
            ),
            Self::UnitChanged => (
                "unit-changed",
                "The unit differs",
                "Set the old unit with `.unit(\"..\")`, or in a view.",
            ),
            Self::Missing => (
                "missing",
                "NEW lacks the metric",
                "Create the metric, or record a value: gauges, histograms and groups are exported from their first value on, or from \
                 the start with `.zero_initialized()`.",
            ),
            Self::New => (
                "new",
                "OLD lacks the metric",
                "No query breaks. To leave the metric out, set \
                 `METERKIT_PROMETHEUS_INSTRUMENTS=!NAME`, or drop it for all targets with a view.",
            ),
        }
    }
}

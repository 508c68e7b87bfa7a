//! Metrics about collection and delivery, in the scope `meterkit`.
//!
//! By OpenTelemetry's Semantic Conventions for SDK metrics, which are in development; `meterkit.target.*` are ours.
//! What is recorded here shows in the next snapshot, also when it tells of this one: a collection never waits for
//! itself.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_core::{
    CounterGroup, GaugeGroup, HistogramGroup, Instrument, InstrumentBuilder, LabelKey, LabelRef,
    LabelVisitor, Labels, Registry, UpDownCounterGroup,
};

/// The one reader that a pipeline has.
const READER: Labeled<'static> =
    Labeled { component_type: "meterkit_pipeline::Pipeline", name: "pipeline/0" };

/// What a pipeline tells of itself. Each metric is made with its first value; it stays away when the program has made a
/// different one of its name.
pub(crate) struct SelfMetrics {
    registry: Registry,
    exported: OnceLock<Option<CounterGroup<Ended<'static>>>>,
    inflight: OnceLock<Option<UpDownCounterGroup<Exporter<'static>>>>,
    operations: OnceLock<Option<HistogramGroup<Ended<'static>>>>,
    collections: OnceLock<Option<HistogramGroup<Labeled<'static>>>>,
    last_success: OnceLock<Option<GaugeGroup<Labeled<'static>, f64>>>,
    queue_size: OnceLock<Option<GaugeGroup<Labeled<'static>, u64>>>,
    queue_dropped: OnceLock<Option<CounterGroup<Labeled<'static>>>>,
}

/// A component, as the conventions name it.
#[derive(Clone, Copy)]
pub(crate) struct Labeled<'a> {
    pub(crate) component_type: &'a str,
    pub(crate) name: &'a str,
}

/// A target: the component, and for one that sends over a network, to whom.
#[derive(Clone, Copy)]
pub(crate) struct Exporter<'a> {
    pub(crate) component: Labeled<'a>,
    /// Host and port.
    pub(crate) server: Option<(&'a str, u16)>,
}

/// The receiver took an export, but not all of its points. Of the last one, it may have refused all in the end.
pub(crate) const REJECTED: &str = "rejected";
/// The target panicked.
pub(crate) const PANIC: &str = "panic";
/// The pipeline ended before the export did.
pub(crate) const CUT_OFF: &str = "cut_off";

/// All that may stand in `error.type`.
const ERROR_TYPES: [&str; 6] = ["retryable", "permanent", "timeout", REJECTED, PANIC, CUT_OFF];

impl SelfMetrics {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            exported: OnceLock::new(),
            inflight: OnceLock::new(),
            operations: OnceLock::new(),
            collections: OnceLock::new(),
            last_success: OnceLock::new(),
            queue_size: OnceLock::new(),
            queue_dropped: OnceLock::new(),
        }
    }

    /// Points were given to a target.
    pub(crate) fn began(&self, of: Exporter<'_>, points: u64) {
        self.change_inflight(of, signed(points));
    }

    /// An export is over, after all its attempts: `error` says what went wrong with some of its points or with all.
    pub(crate) fn ended(
        &self,
        of: Exporter<'_>,
        points: u64,
        took: Duration,
        error: Option<&'static str>,
    ) {
        self.change_inflight(of, -signed(points));
        let operations = self.operations.get_or_init(|| {
            let operations =
                self.metric::<HistogramGroup<_>>("otel.sdk.exporter.operation.duration");
            let operations = operations.unit("s").buckets([]);
            operations.description("How long exports took, with all their attempts.").build().ok()
        });
        if let Some(operations) = operations {
            operations.with(Ended { of, error }).record(took.as_secs_f64());
        }
    }

    /// Points for which the export has finished.
    pub(crate) fn count(&self, of: Exporter<'_>, points: u64, error: Option<&'static str>) {
        let exported = self.exported.get_or_init(|| {
            let name = "otel.sdk.exporter.metric_data_point.exported";
            let exported = self.metric::<CounterGroup<_>>(name);
            let exported = exported.unit("{data_point}");
            exported.description("Points whose export has finished, well or not.").build().ok()
        });
        if let Some(exported) = exported {
            exported.with(Ended { of, error }).add(points);
        }
    }

    /// An export ended well at this time.
    pub(crate) fn succeeded(&self, of: Exporter<'_>, at: SystemTime) {
        let last_success = self.last_success.get_or_init(|| {
            let last_success = self.metric::<GaugeGroup<_, f64>>("meterkit.target.last_success");
            let last_success = last_success.unit("s");
            last_success.description("When an export last succeeded, since 1970.").build().ok()
        });
        if let Some(last_success) = last_success {
            let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            last_success.with(of.component).set(since.as_secs_f64());
        }
    }

    /// So much waits in a target, and so many values more were given up.
    pub(crate) fn queue(&self, of: Exporter<'_>, bytes: u64, dropped: u64) {
        let size = self.queue_size.get_or_init(|| {
            let size = self.metric::<GaugeGroup<_, u64>>("meterkit.target.queue.size");
            size.unit("By").description("What waits for the receiver.").build().ok()
        });
        if let Some(size) = size {
            size.with(of.component).set(bytes);
        }
        let all = self.queue_dropped.get_or_init(|| {
            let dropped = self.metric::<CounterGroup<_>>("meterkit.target.queue.dropped");
            let dropped = dropped.unit("{value}");
            dropped.description("Values given up: no room for them, or too old.").build().ok()
        });
        if let Some(all) = all {
            all.with(of.component).add(dropped);
        }
    }

    /// A collection is over.
    pub(crate) fn collected(&self, took: Duration) {
        let collections = self.collections.get_or_init(|| {
            let name = "otel.sdk.metric_reader.collection.duration";
            let collections = self.metric::<HistogramGroup<_>>(name);
            let collections = collections.unit("s").buckets([]);
            collections.description("How long collections took.").build().ok()
        });
        if let Some(collections) = collections {
            collections.with(READER).record(took.as_secs_f64());
        }
    }

    /// The component has gone.
    pub(crate) fn forget(&self, of: Exporter<'_>) {
        if let Some(Some(inflight)) = self.inflight.get() {
            inflight.remove(of);
        }
        if let Some(Some(last_success)) = self.last_success.get() {
            last_success.remove(of.component);
        }
        if let Some(Some(size)) = self.queue_size.get() {
            size.remove(of.component);
        }
        if let Some(Some(dropped)) = self.queue_dropped.get() {
            dropped.remove(of.component);
        }
        let errors = ERROR_TYPES.map(Some);
        for error in [None].into_iter().chain(errors) {
            if let Some(Some(exported)) = self.exported.get() {
                exported.remove(Ended { of, error });
            }
            if let Some(Some(operations)) = self.operations.get() {
                operations.remove(Ended { of, error });
            }
        }
    }

    fn change_inflight(&self, of: Exporter<'_>, points: i64) {
        let inflight = self.inflight.get_or_init(|| {
            let name = "otel.sdk.exporter.metric_data_point.inflight";
            let inflight = self.metric::<UpDownCounterGroup<_>>(name);
            let inflight = inflight.unit("{data_point}");
            inflight.description("Points that are being exported.").build().ok()
        });
        if let Some(inflight) = inflight {
            inflight.with(of).add(points);
        }
    }

    fn metric<I: Instrument>(&self, name: &'static str) -> InstrumentBuilder<I> {
        self.registry.self_metric(name)
    }
}

impl fmt::Debug for SelfMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfMetrics").finish_non_exhaustive()
    }
}

fn signed(points: u64) -> i64 {
    i64::try_from(points).unwrap_or(i64::MAX)
}

impl Labels for Labeled<'_> {
    type Set = Labeled<'static>;
    const KEYS: &'static [LabelKey] =
        &[LabelKey::new("otel.component.type"), LabelKey::new("otel.component.name")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.component_type));
        visitor.visit(LabelRef::Str(self.name));
    }
}

impl Labels for Exporter<'_> {
    type Set = Exporter<'static>;
    const KEYS: &'static [LabelKey] = &[
        Labeled::KEYS[0],
        Labeled::KEYS[1],
        LabelKey::of::<Option<&'static str>>("server.address"),
        LabelKey::of::<Option<u16>>("server.port"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.component.visit(visitor);
        let (address, port) = self.server.unzip();
        visitor.visit(address.map_or(LabelRef::Absent, LabelRef::Str));
        visitor.visit(port.map_or(LabelRef::Absent, |port| LabelRef::I64(port.into())));
    }
}

/// Operations of a target, by how they ended.
struct Ended<'a> {
    of: Exporter<'a>,
    error: Option<&'static str>,
}

impl Labels for Ended<'_> {
    type Set = Ended<'static>;
    const KEYS: &'static [LabelKey] = &[
        Exporter::KEYS[0],
        Exporter::KEYS[1],
        Exporter::KEYS[2],
        Exporter::KEYS[3],
        LabelKey::of::<Option<&'static str>>("error.type"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.of.visit(visitor);
        visitor.visit(self.error.map_or(LabelRef::Absent, LabelRef::Static));
    }
}

//! A snapshot as Prometheus text: version 0.0.4, or 1.0.0 where names stand between quotes.

use std::rc::Rc;

use meterkit_core::Data;
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_model::{
    self as model, Bounds, Collection, Joins, TARGET_INFO, TARGET_INFO_HELP, cumulative_buckets,
    reserve_target_info, write_float,
};
use meterkit_rules::prometheus_name::{Names, is_legal_family};

use crate::labels::{ScopeText, series_labels};
use crate::text;

/// The labels of a scope are written once for all its metrics.
type Family = model::Family<Rc<ScopeText>>;

/// Writes `snapshot` in Prometheus' text format 0.0.4.
///
/// Families are ordered by name, their series by scope and labels: the same metrics give the same text. Names follow
/// OpenTelemetry's "Prometheus and OpenMetrics Compatibility": unit suffixes, `_total` once, `otel_scope_*` labels,
/// and `target_info` for the resource. An exponential histogram, which this format does not know, is one with the
/// bucket `+Inf` only: its count and its sum are there, quantiles are not.
///
/// ```
/// # use meterkit_core::{Attributes, Registry};
/// # use meterkit_pipeline::Snapshot;
/// # use std::time::SystemTime;
/// let registry = Registry::new();
/// let meter = registry.scoped("plugin", "catalog");
/// meter.counter::<u64>("requests").description("Requests.").build()?.add(3);
///
/// let (resource, time) = (Attributes::empty(), SystemTime::now());
/// let snapshot = Snapshot::new(resource, time, registry.read());
/// assert_eq!(
///     meterkit_prometheus::render(&snapshot),
///     "# HELP backstage_plugin_catalog_requests_total Requests.\n\
///      ## TYPE backstage_plugin_catalog_requests_total counter\n\
///      backstage_plugin_catalog_requests_total{otel_scope_name=\"backstage.plugin.catalog\"} 3\n",
/// );
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
pub fn render(snapshot: &Snapshot) -> String {
    render_with(snapshot, Names::default())
}

/// Writes `snapshot` like [`render`], with other names.
///
/// A name that is not legal in version 0.0.4 stands between quotes, as version 1.0.0 of the format has it:
/// `{"http.requests","http.route"="/"} 1`. Only [`Translation::utf8`] gives such names: whoever reads the text has to
/// have asked for them.
///
/// [`Translation::utf8`]: meterkit_rules::prometheus_name::Translation::utf8
pub fn render_with(snapshot: &Snapshot, names: Names) -> String {
    let out = String::with_capacity(snapshot.len() * 128);
    let mut page =
        Page { out, names, labels: String::new(), quoted: None, bounds: Bounds::default() };
    page.target_info(snapshot);
    let meetings = snapshot.names.meetings(names);
    let collection = Collection { scopes: &snapshot.scopes, absent: &snapshot.absent };
    let mut families = model::families(collection, names, &meetings, |labels| {
        ScopeText::new(labels, names).into()
    });
    if !snapshot.resource.is_empty() {
        reserve_target_info(&mut families, collection);
    }
    for family in &families {
        page.family(family, collection);
    }
    page.out
}

struct Page {
    out: String,
    names: Names,
    /// The labels of the series at hand, used again for each.
    labels: String,
    /// The name of the family at hand between quotes, if it needs them.
    quoted: Option<String>,
    bounds: Bounds,
}

impl Page {
    fn target_info(&mut self, snapshot: &Snapshot) {
        if !snapshot.resource.is_empty() {
            let out = &mut self.out;
            text::head(out, TARGET_INFO, "gauge", TARGET_INFO_HELP);
            out.push_str(TARGET_INFO);
            out.push('{');
            let label = |key| self.names.label(key);
            series_labels(out, self.names, label, &snapshot.resource, &ScopeText::default());
            out.push_str("} 1\n");
        }
    }

    fn family(&mut self, family: &Family, collection: Collection<'_>) {
        let names = self.names;
        self.quoted = (names.may_be_quoted() && !is_legal_family(&family.name)).then(|| {
            let mut quoted = String::with_capacity(family.name.len() + 2);
            text::quoted(&mut quoted, &family.name);
            quoted
        });
        let name = self.quoted.as_deref().unwrap_or(&family.name);
        text::head(&mut self.out, name, family.family_type.as_str(), family.help(collection));
        let of = family.family_type;
        let joins = Joins::of(
            family,
            collection,
            |key| names.series_label(key, of),
            |out, scope, attributes| {
                series_labels(out, names, |key| names.series_label(key, of), attributes, scope);
            },
        );
        for (place, member) in family.members.iter().enumerate() {
            let data = &member.metric(collection).data;
            for (data, at) in (0..data.len()).filter_map(|at| joins.point(data, place, at)) {
                self.point(family, &member.scope, data, at);
            }
        }
    }

    fn point(&mut self, family: &Family, scope: &ScopeText, data: &Data, at: usize) {
        let Some(attributes) = data.attributes_at(at) else { return };
        let (names, name) = (self.names, &*family.name);
        self.labels.clear();
        let label = |key| names.series_label(key, family.family_type);
        series_labels(&mut self.labels, names, label, attributes, scope);
        match data {
            Data::Gauge(points) | Data::Sum { points, .. } => {
                self.sample(name, "", None);
                text::value(&mut self.out, points[at].value);
            }
            Data::Histogram { points, bounds, .. } => {
                let (point, mut known) = (&points[at], std::mem::take(&mut self.bounds));
                let buckets = cumulative_buckets(known.of(bounds), &point.buckets, point.count);
                self.histogram(name, buckets, point.count, point.sum);
                self.bounds = known;
            }
            // This format knows no buckets of that kind, and bounds that come and go would make no good ones.
            Data::ExponentialHistogram { points, .. } => {
                let point = &points[at];
                let buckets = cumulative_buckets(&[], &[], point.count);
                self.histogram(name, buckets, point.count, point.sum);
            }
            _ => {}
        }
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        buckets: impl Iterator<Item = (&'a str, u64)>,
        count: u64,
        sum: f64,
    ) {
        buckets.for_each(|(bound, below)| {
            self.sample(name, "_bucket", Some(bound));
            text::integer(&mut self.out, below);
            self.out.push('\n');
        });
        self.sample(name, "_sum", None);
        write_float(&mut self.out, sum);
        self.out.push('\n');
        self.sample(name, "_count", None);
        text::integer(&mut self.out, count);
        self.out.push('\n');
    }

    /// Name and labels of one sample, up to its value.
    #[inline]
    fn sample(&mut self, name: &str, suffix: &str, bound: Option<&str>) {
        if self.quoted.is_some() {
            self.quoted_sample(suffix, bound);
            return;
        }
        let out = &mut self.out;
        out.push_str(name);
        out.push_str(suffix);
        if let Some(bound) = bound {
            out.push('{');
            out.push_str(&self.labels);
            out.push_str(if self.labels.is_empty() { "le=\"" } else { ",le=\"" });
            out.push_str(bound);
            out.push_str("\"} ");
        } else if self.labels.is_empty() {
            out.push(' ');
        } else {
            out.push('{');
            out.push_str(&self.labels);
            out.push_str("} ");
        }
    }

    /// The same with the name between quotes, as the first thing between the braces.
    #[cold]
    fn quoted_sample(&mut self, suffix: &str, bound: Option<&str>) {
        let out = &mut self.out;
        let quoted = self.quoted.as_deref().unwrap_or_default();
        for part in ["{", quoted.strip_suffix('"').unwrap_or(quoted), suffix, "\""] {
            out.push_str(part);
        }
        if !self.labels.is_empty() {
            out.push(',');
            out.push_str(&self.labels);
        }
        if let Some(bound) = bound {
            for part in [",le=\"", bound, "\""] {
                out.push_str(part);
            }
        }
        out.push_str("} ");
    }
}

//! A snapshot as Prometheus text: version 0.0.4, or 1.0.0 where names stand between quotes.

use std::collections::HashSet;
use std::rc::Rc;

use meterkit_core::prometheus_name::{Names, is_legal_family};
use meterkit_core::{Data, NumberPoint};
use meterkit_pipeline::Snapshot;
use meterkit_pipeline::family::{self, TARGET_INFO};

use crate::labels::{scope_labels, series_labels};
use crate::text;

/// The labels of a scope are written once for all its metrics.
type Family<'a> = family::Family<'a, Rc<str>>;
type Member<'a> = family::Member<'a, Rc<str>>;

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
/// [`Translation::utf8`]: meterkit_core::prometheus_name::Translation::utf8
pub fn render_with(snapshot: &Snapshot, names: Names) -> String {
    let out = String::with_capacity(snapshot.len() * 128);
    let mut page = Page { out, names, labels: String::new(), quoted: None };
    page.target_info(snapshot);
    for family in family::group(&snapshot.scopes, names, |scope| scope_labels(scope, names).into())
    {
        if family.name == TARGET_INFO && !snapshot.resource.is_empty() {
            family.warn("has the name of the resource's metric: left out");
        } else {
            page.family(&family);
        }
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
}

impl Page {
    fn target_info(&mut self, snapshot: &Snapshot) {
        if !snapshot.resource.is_empty() {
            let out = &mut self.out;
            text::head(out, TARGET_INFO, "gauge", "Target metadata");
            out.push_str(TARGET_INFO);
            out.push('{');
            series_labels(out, self.names, &snapshot.resource);
            out.push_str("} 1\n");
        }
    }

    fn family(&mut self, family: &Family<'_>) {
        let names = self.names;
        self.quoted = (names.may_be_quoted() && !is_legal_family(&family.name)).then(|| {
            let mut quoted = String::with_capacity(family.name.len() + 2);
            text::quoted(&mut quoted, &family.name);
            quoted
        });
        let name = self.quoted.as_deref().unwrap_or(&family.name);
        text::head(&mut self.out, name, family.family_type.as_str(), family.help);
        let may_repeat = family.may_repeat_series(|key| names.series_label(key));
        let mut written = may_repeat.then(HashSet::new);
        for member in &family.members {
            match &member.metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => {
                    for point in points {
                        self.series(member, &point.attributes);
                        if self.is_first(family, member, &mut written) {
                            self.number(&family.name, point);
                        }
                    }
                }
                Data::Histogram { points, bounds, .. } => {
                    let bounds = written_bounds(bounds);
                    for point in points {
                        self.series(member, &point.attributes);
                        if self.is_first(family, member, &mut written) {
                            let buckets = bounds.iter().zip(point.buckets.iter().copied());
                            self.histogram(&family.name, buckets, point.count, point.sum);
                        }
                    }
                }
                // This format knows no buckets of that kind, and bounds that come and go would make no good ones.
                Data::ExponentialHistogram { points, .. } => {
                    for point in points {
                        self.series(member, &point.attributes);
                        if self.is_first(family, member, &mut written) {
                            let none = std::iter::empty();
                            self.histogram(&family.name, none, point.count, point.sum);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Makes the labels of a series ready.
    fn series(&mut self, member: &Member<'_>, attributes: &meterkit_core::Attributes) {
        self.labels.clear();
        series_labels(&mut self.labels, self.names, attributes);
        text::labels(&mut self.labels, &member.scope);
    }

    /// Whether the family has not written this series already.
    fn is_first(
        &self,
        family: &Family<'_>,
        member: &Member<'_>,
        written: &mut Option<HashSet<String>>,
    ) -> bool {
        let is_first = written.as_mut().is_none_or(|written| written.insert(self.labels.clone()));
        if !is_first {
            let clash = "has a series that becomes the same as another one of that name: left out";
            family.warn_of(member, clash);
        }
        is_first
    }

    fn number(&mut self, name: &str, point: &NumberPoint) {
        self.sample(name, "", None);
        text::value(&mut self.out, point.value);
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        buckets: impl Iterator<Item = (&'a String, u64)>,
        count: u64,
        sum: f64,
    ) {
        let mut below = 0;
        for (bound, count) in buckets {
            below += count;
            self.sample(name, "_bucket", Some(bound));
            text::integer(&mut self.out, below);
            self.out.push('\n');
        }
        // Not from the last bucket: a histogram of another library may have none at all.
        self.sample(name, "_bucket", Some("+Inf"));
        text::integer(&mut self.out, count);
        self.out.push('\n');
        self.sample(name, "_sum", None);
        text::float(&mut self.out, sum);
        self.out.push('\n');
        self.sample(name, "_count", None);
        text::integer(&mut self.out, count);
        self.out.push('\n');
    }

    /// Name and labels of one sample, up to its value.
    fn sample(&mut self, name: &str, suffix: &str, bound: Option<&str>) {
        if self.quoted.is_some() {
            self.quoted_sample(suffix, bound);
            return;
        }
        let out = &mut self.out;
        out.push_str(name);
        out.push_str(suffix);
        if !self.labels.is_empty() || bound.is_some() {
            out.push('{');
            out.push_str(&self.labels);
            if let Some(bound) = bound {
                out.push_str(if self.labels.is_empty() { "le=\"" } else { ",le=\"" });
                out.push_str(bound);
                out.push('"');
            }
            out.push('}');
        }
        out.push(' ');
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

/// The bounds of all series of a histogram, written once.
fn written_bounds(bounds: &[f64]) -> Vec<String> {
    let written = |bound: &f64| {
        let mut out = String::new();
        text::float(&mut out, *bound);
        out
    };
    bounds.iter().map(written).collect()
}

//! Families: metrics that Prometheus sees under one name. The rules are those of the Prometheus target.

use std::collections::HashSet;
use std::sync::LazyLock;

use meterkit_core::prometheus_name::{self, FamilyType};
use meterkit_core::{Data, Metric, ScopeMetrics};
use meterkit_http::News;

use super::Metadata;
use super::labels::{Labels, may_become_equal, scope_labels};

/// All metrics of one name. They come from different scopes, or their names became the same in translation.
pub(crate) struct Family<'a> {
    pub(crate) name: String,
    pub(crate) family_type: FamilyType,
    pub(crate) help: &'a str,
    pub(crate) unit: String,
    /// The names of a histogram's parts.
    pub(crate) bucket: String,
    pub(crate) sum: String,
    pub(crate) count: String,
    pub(crate) members: Vec<Member<'a>>,
}

/// One metric of a family.
pub(crate) struct Member<'a> {
    pub(crate) metric: &'a Metric,
    /// The labels that say which scope and which process it comes from.
    pub(crate) envelope: Labels<'a>,
    /// The bounds of a histogram, written.
    pub(crate) bounds: Vec<String>,
}

impl<'a> Member<'a> {
    /// The metric's own name.
    pub(crate) fn name(&self) -> &'a str {
        &self.metric.descriptor.name
    }
}

impl<'a> Family<'a> {
    pub(crate) fn metadata(&self) -> Metadata<'_> {
        Metadata {
            family: &self.name,
            family_type: self.family_type,
            help: self.help,
            unit: &self.unit,
        }
    }

    /// Whether two members could hold the same series, or one member hold it twice.
    pub(crate) fn may_repeat_series(&self) -> bool {
        // Members are ordered by scope.
        self.members.windows(2).any(|pair| pair[0].envelope == pair[1].envelope)
            || self.members.iter().any(|member| match &member.metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes))
                }
                Data::Histogram { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes))
                }
                Data::ExponentialHistogram { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes))
                }
                _ => false,
            })
    }

    /// Logs, once, what is wrong with the whole family.
    pub(crate) fn warn_of(&self, clash: &str) {
        if let Some(member) = self.members.first() {
            warn_once(&self.name, member.name(), clash);
        }
    }

    fn new(name: String, family_type: FamilyType, member: Member<'a>) -> Self {
        let descriptor = &member.metric.descriptor;
        let part = |suffix| match family_type {
            FamilyType::Histogram => format!("{name}{suffix}"),
            _ => String::new(),
        };
        Self {
            family_type,
            help: &descriptor.description,
            unit: prometheus_name::unit(&descriptor.unit, family_type),
            bucket: part("_bucket"),
            sum: part("_sum"),
            count: part("_count"),
            members: vec![member],
            name,
        }
    }

    fn add(&mut self, family_type: FamilyType, member: Member<'a>) {
        let metric = member.name();
        if family_type != self.family_type {
            let clash = "has another type than the first metric of that name: left out";
            warn_once(&self.name, metric, clash);
            return;
        }
        let help = &*member.metric.descriptor.description;
        if self.help.is_empty() {
            self.help = help;
        } else if !help.is_empty() && help != self.help {
            let clash = "has another description than the first metric of that name";
            warn_once(&self.name, metric, clash);
        }
        self.members.push(member);
    }
}

/// The families of all scopes, by name; their members by scope, then by their own name, however they came. `target` is
/// among the labels of each.
///
/// Of metrics that clash in type, the first one stays and the later ones are left out; of different descriptions,
/// the first one counts. Each clash is logged once.
pub(crate) fn group<'a>(scopes: &'a [ScopeMetrics], target: &Labels<'a>) -> Vec<Family<'a>> {
    let mut named: Vec<(String, FamilyType, Member<'a>)> = Vec::new();
    for scope in scopes {
        let mut envelope = scope_labels(&scope.scope);
        envelope.extend(target.iter().cloned());
        for metric in &scope.metrics {
            let family_type = FamilyType::of(&metric.data);
            let name = prometheus_name::family(&metric.descriptor, family_type);
            let bounds = match &metric.data {
                Data::Histogram { bounds, .. } => bounds.iter().copied().map(written).collect(),
                _ => Vec::new(),
            };
            let member = Member { metric, envelope: envelope.clone(), bounds };
            named.push((name, family_type, member));
        }
    }
    named.sort_by(|(a, _, one), (b, _, other)| {
        (a, &one.envelope, one.name()).cmp(&(b, &other.envelope, other.name()))
    });

    let mut families: Vec<Family<'a>> = Vec::new();
    for (name, family_type, member) in named {
        match families.last_mut() {
            Some(family) if family.name == name => family.add(family_type, member),
            _ => families.push(Family::new(name, family_type, member)),
        }
    }
    leave_out_parts_of_histograms(&mut families);
    families
}

/// A histogram has three more names for itself: a family that is called so would be taken for a part of it.
fn leave_out_parts_of_histograms(families: &mut Vec<Family<'_>>) {
    let mut histograms = HashSet::new();
    // By name, a histogram comes before its parts.
    families.retain(|family| {
        let is_part = ["_bucket", "_sum", "_count"].iter().any(|part| {
            family.name.strip_suffix(part).is_some_and(|name| histograms.contains(name))
        });
        if is_part {
            family.warn_of("has the name of a part of a histogram: left out");
        } else if family.family_type == FamilyType::Histogram {
            histograms.insert(family.name.clone());
        }
        !is_part
    });
}

/// A bound as the label `le` has it in Prometheus' text: whole numbers without a point.
fn written(bound: f64) -> String {
    /// Below this every whole `f64` is exact as an `i64`, and the digits stay readable.
    const READABLE: f64 = 1e16;
    if bound.is_nan() {
        "NaN".to_owned()
    } else if bound.is_infinite() {
        if bound > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if bound.fract() == 0.0
        && bound.abs() < READABLE
        && !(bound == 0.0 && bound.is_sign_negative())
    {
        itoa::Buffer::new().format(bound as i64).to_owned()
    } else {
        ryu::Buffer::new().format_finite(bound).to_owned()
    }
}

/// Logs a clash the first time it is seen. Exports repeat; the log must not.
pub(crate) fn warn_once(family: &str, metric: &str, clash: &str) {
    static TOLD: LazyLock<News> = LazyLock::new(News::default);

    if TOLD.is_new(&format!("{family} {metric} {clash}")) {
        tracing::warn!(family, metric, "{clash}");
    }
}

//! The interface that the writers of all formats share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use meterkit_core::Attributes;
use meterkit_prometheus_model::{Collection, Families, ScopeLabels};
use meterkit_rules::prometheus_name::FamilyType;

use crate::exposition::{Current, Place, Series};
use crate::format::Format;
use crate::labels::Scope;
use crate::options::ExpositionOptions;
use crate::protobuf::Protobuf;
use crate::text::Text;

/// Writes one body.
pub(crate) enum Writer {
    Text(Box<Text>),
    Protobuf(Box<Protobuf>),
}

/// The metadata at the beginning of a family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) name: &'a str,
    pub(crate) family_type: FamilyType,
    pub(crate) help: &'a str,
    /// The unit in words, such as `seconds`. Empty if the metric has no unit or the format does not show units.
    pub(crate) unit: &'a str,
}

/// The collection time of a body that shows start times; `None` if the body does not show them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts(pub(crate) Option<SystemTime>);

impl Starts {
    /// Returns the start time that the body shows, as the time since 1970. It is never later than the collection time,
    /// even if the clock was set back.
    pub(crate) fn since_1970(self, start: SystemTime) -> Option<Duration> {
        let start = start.min(self.0?).duration_since(UNIX_EPOCH).ok()?;
        Some(start).filter(|start| !start.is_zero())
    }
}

impl Writer {
    /// Creates a writer for a body. `time` is the collection time of the values.
    pub(crate) fn new(format: Format, options: &ExpositionOptions, time: SystemTime) -> Self {
        let names = options.names;
        let starts = Starts(options.start_times.then_some(time));
        match format {
            Format::Text | Format::QuotedText => Self::Text(Box::new(Text::plain(names))),
            Format::OldOpenMetrics | Format::OpenMetrics => {
                Self::Text(Box::new(Text::open_metrics(names, starts)))
            }
            Format::Protobuf => Self::Protobuf(Box::new(Protobuf::new(names, starts))),
        }
    }

    /// Returns the labels of a scope in the form in which they are written for each of its series.
    pub(crate) fn scope(&self, labels: ScopeLabels<'_>) -> Scope {
        match self {
            Self::Text(text) => text.scope(labels),
            Self::Protobuf(protobuf) => protobuf.scope(labels),
        }
    }

    /// Writes the resource as `target_info`, which precedes `families`.
    pub(crate) fn target_info<S>(
        &mut self,
        out: &mut BytesMut,
        resource: &Attributes,
        families: &Families<S>,
    ) {
        match self {
            Self::Text(text) => text.target_info(out, resource, families),
            Self::Protobuf(protobuf) => protobuf.target_info(out, resource),
        }
    }

    /// Returns whether the format shows the units of families.
    pub(crate) fn shows_units(&self) -> bool {
        match self {
            Self::Text(text) => text.is_open_metrics,
            Self::Protobuf(_) => true,
        }
    }

    /// Begins a family. Returns the position of its first series that is left to write.
    pub(crate) fn start(
        &mut self,
        out: &mut BytesMut,
        head: Head<'_>,
        family: &Current,
        collection: Collection<'_>,
    ) -> Place {
        match self {
            Self::Text(text) => {
                text.start(out, head);
                Place::default()
            }
            Self::Protobuf(protobuf) => protobuf.start(out, head, family, collection),
        }
    }

    #[inline]
    pub(crate) fn series(&mut self, out: &mut BytesMut, series: Series<'_>) {
        match self {
            Self::Text(text) => text.series(out, series),
            Self::Protobuf(protobuf) => protobuf.series(out, series),
        }
    }

    /// Ends the body.
    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        match self {
            Self::Text(text) => text.end(out),
            Self::Protobuf(_) => {}
        }
    }
}

/// Returns `unit` if the family may declare it, which requires that its name ends with the unit; otherwise returns an
/// empty text.
pub(crate) fn unit_of<'u>(name: &str, unit: &'u str) -> &'u str {
    match name.strip_suffix(unit) {
        Some(rest) if rest.len() > 1 && rest.ends_with('_') => unit,
        _ => "",
    }
}

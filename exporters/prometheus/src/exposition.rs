//! Writes a snapshot in a scraper's format, piece by piece.

use std::ops::Deref;
use std::sync::Arc;
use std::{fmt, mem};

use bytes::{Bytes, BytesMut};
use meterkit_core::{Data, Exemplar, ExponentialHistogramPoint};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus_model::{self as model, Collection, Families, Joins, Ladder, families};
use meterkit_rules::prometheus_name::{FamilyType, Names};

use crate::format::Format;
use crate::labels::{Scope, SeriesLabels, write_series};
use crate::options::ExpositionOptions;
use crate::writer::{Head, Writer};

/// Approximate length of a piece, in bytes.
const PIECE: usize = 64 * 1024;

/// Extra capacity, in bytes, because the last series of a piece may exceed [`PIECE`].
const SLACK: usize = 8 * 1024;

/// The body of a scrape, as an iterator over pieces of about 64 KiB. Each piece is written when `next` is called.
///
/// The iterator holds one piece and the names of the metric families in memory. If a piece is dropped before `next` is
/// called, its memory is reused for the next piece.
#[derive(Debug)]
pub struct Exposition(Walk<Arc<Snapshot>>);

impl Exposition {
    /// Creates an iterator that writes `snapshot` in `format`. `options` accepts [`Names`] alone or all
    /// [`ExpositionOptions`].
    pub fn new(
        snapshot: Arc<Snapshot>,
        format: Format,
        options: impl Into<ExpositionOptions>,
    ) -> Self {
        Self(Walk::new(snapshot, format, options.into()))
    }
}

impl Iterator for Exposition {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.piece()
    }
}

/// One pass over the families of a snapshot, which can stop after any series.
pub(crate) struct Walk<D> {
    snapshot: D,
    options: ExpositionOptions,
    writer: Writer,
    out: BytesMut,
    /// The families that are left to write; `None` before the first one.
    families: Option<Families<Arc<Scope>>>,
    current: Option<Current>,
    is_done: bool,
    /// Whether the format supports exemplars and the snapshot has some.
    has_exemplars: bool,
}

type Family = model::Family<Arc<Scope>>;
type Member = model::Member<Arc<Scope>>;

/// The family that is being written.
pub(crate) struct Current {
    pub(crate) family: Family,
    joins: Joins,
    /// The boundaries of the classic buckets into which the exponential histograms of this family are converted.
    ladder: Option<Ladder>,
    next: Place,
}

/// The position of a point in its family: the index of the member, and the index of the point within that member.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    member: usize,
    point: usize,
}

/// One series to write.
#[derive(Clone, Copy)]
pub(crate) struct Series<'a> {
    pub(crate) family_type: FamilyType,
    /// The rules for naming labels.
    pub(crate) names: Names,
    pub(crate) scope: &'a Scope,
    pub(crate) data: &'a Data,
    /// The index of the point in `data`.
    pub(crate) at: usize,
    pub(crate) ladder: Option<&'a Ladder>,
    /// Ordered by time.
    pub(crate) exemplars: &'a [Exemplar],
}

impl<D: Deref<Target = Snapshot>> Walk<D> {
    pub(crate) fn new(snapshot: D, format: Format, mut options: ExpositionOptions) -> Self {
        options.names = match format {
            Format::OldOpenMetrics | Format::OpenMetrics => options.names.open_metrics(),
            Format::Text | Format::QuotedText | Format::Protobuf => options.names,
        };
        let has_exemplars = match format {
            Format::OldOpenMetrics | Format::OpenMetrics | Format::Protobuf => {
                !snapshot.exemplars.is_empty()
            }
            Format::Text | Format::QuotedText => false,
        };
        let writer = Writer::new(format, &options, snapshot.time);
        let (out, families, current) = Default::default();
        let is_done = false;
        Self { snapshot, options, writer, out, families, current, is_done, has_exemplars }
    }

    /// Returns the next piece, or `None` at the end.
    pub(crate) fn piece(&mut self) -> Option<Bytes> {
        self.out.reserve(PIECE + SLACK);
        while self.out.len() < PIECE && self.advance() {}
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// Writes until the piece is full or the family ends. Returns `false` once everything has been written.
    fn advance(&mut self) -> bool {
        let Self { snapshot, options, writer, out, has_exemplars, .. } = self;
        let snapshot = &**snapshot;
        let exemplars = has_exemplars.then_some(&*snapshot.exemplars);
        let collection =
            Collection { scopes: &snapshot.scopes, absent: &snapshot.absent, exemplars };
        if let Some(current) = &mut self.current {
            let mut place = current.next;
            while out.len() < PIECE {
                let Some(series) = current.series(&mut place, collection) else {
                    let done = self.current.take().map(|current| current.family);
                    let families = done.zip(self.families.as_mut());
                    families.into_iter().for_each(|(family, families)| families.reuse(family));
                    return true;
                };
                writer.series(out, series);
            }
            current.next = place;
            return true;
        }
        let Some(families) = &mut self.families else {
            let names = options.names;
            let constant = options.constant_labels(&snapshot.resource);
            let scope = |labels| Arc::new(writer.scope(options.labels(labels, &constant)));
            let mut families = families(collection, names, &snapshot.names, scope);
            if let Some(scope) = options.hidden_scope() {
                families.hide_scope(scope, collection);
            }
            if options.target_info && !snapshot.resource.is_empty() {
                families.reserve_target_info(collection);
                writer.target_info(out, &snapshot.resource, &families);
            }
            self.families = Some(families);
            return true;
        };
        let Some(family) = families.next() else {
            if !mem::replace(&mut self.is_done, true) {
                writer.end(out);
            }
            return false;
        };
        let mut current = Current::of(family, collection);
        let unit = match writer.shows_units() {
            true => current.family.unit(collection),
            false => String::new(),
        };
        let head = Head {
            name: current.family.name(),
            family_type: current.family.family_type,
            help: current.family.help(collection),
            unit: &unit,
        };
        current.next = writer.start(out, head, &current, collection);
        self.current = Some(current);
        true
    }
}

impl<D> fmt::Debug for Walk<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Current {
    fn of(family: Family, collection: Collection<'_>) -> Self {
        let (names, of) = (family.names, family.family_type);
        let mut labels = SeriesLabels::default();
        let joins = Joins::of(
            &family,
            collection,
            |key| family.label(key),
            |text, scope, attributes| {
                write_series(text, &mut labels, names, of, scope, attributes);
            },
        );
        let mut current = Self { family, joins, ladder: None, next: Place::default() };
        if current.family.family_type == FamilyType::Histogram {
            let mut points = current.exponential(collection).peekable();
            let ladder = points.peek().is_some().then(|| Ladder::of(points));
            current.ladder = ladder;
        }
        current
    }

    /// Returns the first series at or after `place` that has to be written, and moves `place` past it.
    #[inline]
    pub(crate) fn series<'a>(
        &'a self,
        place: &mut Place,
        collection: Collection<'a>,
    ) -> Option<Series<'a>> {
        loop {
            let member: &Member = self.family.members.get(place.member)?;
            let data = &member.metric(collection).data;
            if place.point >= data.len() {
                *place = Place { member: place.member + 1, point: 0 };
                continue;
            }
            let point = self.joins.point(data, place.member, place.point);
            place.point += 1;
            if let Some((data, at)) = point {
                let (scope, ladder) = (&*member.scope, self.ladder.as_ref());
                let (names, family_type) = (self.family.names, self.family.family_type);
                let exemplars = self.joins.exemplars(data, at, collection);
                return Some(Series { family_type, names, scope, data, at, ladder, exemplars });
            }
        }
    }

    fn exponential<'a>(
        &'a self,
        collection: Collection<'a>,
    ) -> impl Iterator<Item = &'a ExponentialHistogramPoint> {
        let mut place = Place::default();
        let all = std::iter::from_fn(move || self.series(&mut place, collection));
        all.filter_map(|series| match series.data {
            Data::ExponentialHistogram { points, .. } => points.get(series.at),
            _ => None,
        })
    }
}

//! The points of gauges and sums.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::{fmt, mem, slice};

use super::{AHEAD, NumberPoint, SeriesId, StoredSeries};
use crate::attributes::Attributes;
use crate::number::{NumberType, Value};

/// The points of a gauge or a sum, ordered like those of [`Data`](super::Data).
///
/// A collection of an instrument with many series keeps only a value for each series, and shares everything else with
/// the previous collection. [`each`](Self::each) and [`at`](Self::at) build the points one at a time. Reading the
/// points as a slice for the first time builds all of them; they are kept as long as the collection.
#[derive(Clone, Default)]
pub struct NumberPoints {
    /// The points that come before those in `listed`.
    stored: Option<Arc<StoredNumbers>>,
    listed: Listed,
}

/// Points that are kept whole.
#[derive(Clone)]
enum Listed {
    /// The point of an instrument without labels. A program may have thousands of these instruments, and a list for
    /// each would take as much memory as the point itself.
    One(NumberPoint),
    Many(Vec<NumberPoint>),
}

/// The numbers that one collection read from the series of an instrument.
pub(crate) struct StoredNumbers {
    series: Arc<StoredSeries>,
    number: NumberType,
    /// The bits of the values, indexed by the place of the series.
    values: Vec<u64>,
    /// All points, built when they are first read as a slice.
    slice: OnceLock<Vec<NumberPoint>>,
}

impl NumberPoints {
    /// Creates points from series of the store: `values` of type `number`, indexed by the place of the series, followed
    /// by the point `last`.
    pub(crate) fn of_stored(
        series: Arc<StoredSeries>,
        number: NumberType,
        values: Vec<u64>,
        last: Option<NumberPoint>,
    ) -> Self {
        let stored = StoredNumbers { series, number, values, slice: OnceLock::new() };
        Self { stored: Some(Arc::new(stored)), listed: last.into_iter().collect() }
    }

    /// Returns the number of points.
    pub fn len(&self) -> usize {
        self.stored_len() + self.listed.len()
    }

    /// Returns whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the point at index `at`.
    #[inline]
    pub fn at(&self, at: usize) -> Option<Cow<'_, NumberPoint>> {
        match self.stored_at(at) {
            Ok((stored, place)) => {
                if at % AHEAD == 0 {
                    stored.series.load(at);
                }
                stored.point(place).map(Cow::Owned)
            }
            Err(at) => self.listed.get(at).map(Cow::Borrowed),
        }
    }

    /// Returns all points, built one at a time.
    pub fn each(&self) -> impl Iterator<Item = Cow<'_, NumberPoint>> {
        (0..self.len()).filter_map(|at| self.at(at))
    }

    /// Returns the points as a list that can be modified.
    pub fn to_mut(&mut self) -> &mut Vec<NumberPoint> {
        if self.stored.is_some() {
            self.listed = Listed::Many(self.each().map(Cow::into_owned).collect());
            self.stored = None;
        }
        self.listed.to_mut()
    }

    pub(super) fn series_at(&self, at: usize) -> Option<SeriesId> {
        match self.stored_at(at) {
            Ok((stored, place)) => stored.series.life(place).map(|(series, _)| series),
            Err(at) => self.listed.get(at).map(|point| point.series),
        }
    }

    pub(super) fn attributes_at(&self, at: usize) -> Option<Cow<'_, Attributes>> {
        match self.stored_at(at) {
            Ok((stored, place)) => Some(Cow::Owned(stored.series.attributes(place))),
            Err(at) => self.listed.get(at).map(|point| Cow::Borrowed(&point.attributes)),
        }
    }

    /// Implements [`Data::shapes`](super::Data::shapes).
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Attributes> {
        let stored = self.stored.iter().flat_map(|stored| stored.series.shapes());
        stored.chain(self.listed.iter().map(|point| &point.attributes))
    }

    /// Returns whether both have points of the same series, in the same order.
    pub(super) fn has_series_of(&self, other: &Self) -> bool {
        let is_shared = match (&self.stored, &other.stored) {
            (Some(stored), Some(other)) => Arc::ptr_eq(&stored.series, &other.series),
            (None, None) => {
                let (points, others) = (self.listed.iter(), other.listed.iter());
                return points.map(|it| it.series).eq(others.map(|it| it.series));
            }
            _ => false,
        };
        let mut rest = if is_shared { self.stored_len() } else { 0 }..self.len();
        self.len() == other.len() && rest.all(|at| self.series_at(at) == other.series_at(at))
    }

    /// Returns the series, except for those that have the same place in `other`.
    pub(super) fn series_beside(&self, other: &Self) -> Box<dyn Iterator<Item = SeriesId> + '_> {
        match (&self.stored, &other.stored) {
            (Some(stored), Some(other)) => {
                let listed = self.listed.iter().map(|point| point.series);
                Box::new(stored.series.beside(&other.series).into_iter().chain(listed))
            }
            _ => Box::new((0..self.len()).filter_map(|at| self.series_at(at))),
        }
    }

    fn stored_len(&self) -> usize {
        self.stored.as_ref().map_or(0, |stored| stored.series.len())
    }

    /// Returns the place of the point among the stored numbers (`Ok`), or its index in the list (`Err`).
    #[inline]
    fn stored_at(&self, at: usize) -> Result<(&StoredNumbers, usize), usize> {
        let Some(stored) = &self.stored else { return Err(at) };
        let place = stored.series.place(at).ok_or_else(|| at - stored.series.len())?;
        Ok((stored, place))
    }
}

impl Listed {
    fn to_mut(&mut self) -> &mut Vec<NumberPoint> {
        match self {
            Self::Many(points) => points,
            Self::One(_) => {
                *self = Self::Many(mem::take(self).into_vec());
                self.to_mut()
            }
        }
    }

    fn into_vec(self) -> Vec<NumberPoint> {
        match self {
            Self::One(point) => vec![point],
            Self::Many(points) => points,
        }
    }
}

impl Default for Listed {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Deref for Listed {
    type Target = [NumberPoint];

    #[inline]
    fn deref(&self) -> &[NumberPoint] {
        match self {
            Self::One(point) => slice::from_ref(point),
            Self::Many(points) => points,
        }
    }
}

impl FromIterator<NumberPoint> for Listed {
    fn from_iter<I: IntoIterator<Item = NumberPoint>>(points: I) -> Self {
        let mut points = points.into_iter();
        match (points.next(), points.next()) {
            (None, _) => Self::default(),
            (Some(point), None) => Self::One(point),
            (Some(one), Some(other)) => {
                // The collection is kept, so the list should have no spare capacity.
                let most = points.size_hint().1.unwrap_or_default();
                let mut all = Vec::with_capacity(2 + most);
                all.extend([one, other]);
                all.extend(points);
                if all.len() < all.capacity() / 2 {
                    all.shrink_to_fit();
                }
                Self::Many(all)
            }
        }
    }
}

impl StoredNumbers {
    #[inline]
    fn point(&self, place: usize) -> Option<NumberPoint> {
        let value = Value::from_bits(self.number, *self.values.get(place)?);
        let (series, start) = self.series.life(place)?;
        Some(NumberPoint { series, attributes: self.series.attributes(place), start, value })
    }
}

impl Deref for NumberPoints {
    type Target = [NumberPoint];

    fn deref(&self) -> &[NumberPoint] {
        match &self.stored {
            Some(stored) => stored.slice.get_or_init(|| self.each().map(Cow::into_owned).collect()),
            None => &self.listed,
        }
    }
}

impl fmt::Debug for NumberPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.each()).finish()
    }
}

impl PartialEq for NumberPoints {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.each().eq(other.each())
    }
}

impl From<Vec<NumberPoint>> for NumberPoints {
    fn from(points: Vec<NumberPoint>) -> Self {
        Self { stored: None, listed: Listed::Many(points) }
    }
}

impl FromIterator<NumberPoint> for NumberPoints {
    fn from_iter<I: IntoIterator<Item = NumberPoint>>(points: I) -> Self {
        Self { stored: None, listed: points.into_iter().collect() }
    }
}

impl<'a> IntoIterator for &'a NumberPoints {
    type Item = &'a NumberPoint;
    type IntoIter = slice::Iter<'a, NumberPoint>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for NumberPoints {
    type Item = NumberPoint;
    type IntoIter = std::vec::IntoIter<NumberPoint>;

    fn into_iter(mut self) -> Self::IntoIter {
        mem::take(self.to_mut()).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn point(value: u64) -> NumberPoint {
        let (series, attributes) = (SeriesId::from_hash(value), Attributes::empty());
        NumberPoint { series, attributes, start: UNIX_EPOCH, value: Value::U64(value) }
    }

    #[test]
    fn one_point_needs_no_memory_of_its_own_and_is_a_list_like_others() {
        for len in 0..4 {
            let all: Vec<_> = (0..len).map(point).collect();
            let mut points: NumberPoints = all.iter().cloned().collect();
            assert_eq!(matches!(points.listed, Listed::One(_)), len == 1);
            assert_eq!(*points, *all);
            assert_eq!(points, NumberPoints::from(all.clone()));
            points.to_mut().push(point(9));
            assert_eq!(*points, [&*all, &[point(9)]].concat());
            assert_eq!(points.into_iter().count(), all.len() + 1);
        }
    }
}

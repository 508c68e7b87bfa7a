//! The series of an instrument without their values, in the form that collections share.

use std::collections::HashSet;
use std::fmt;
use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::SeriesId;
use crate::attributes::Attributes;

/// The series of an instrument, shared by its collections until the series change. Each series has a place.
pub(crate) struct StoredSeries {
    /// The places, ordered by the attributes of their series.
    order: Arc<[u32]>,
    /// The ids and start times by place, [`PLACES`] in each element.
    lives: Vec<Arc<Lives>>,
    attributes: Box<dyn AttributesByPlace>,
    /// Cached result of [`shapes`](Self::shapes).
    shapes: OnceLock<Vec<Attributes>>,
}

/// Returns the attributes of series by their place. They stay available after a series has ended.
pub(crate) trait AttributesByPlace: Send + Sync {
    fn at(&self, place: usize) -> Attributes;

    /// Touches the labels at these places, so that the processor loads them into its cache.
    fn load(&self, places: &[u32]);
}

impl StoredSeries {
    pub(crate) fn new(
        order: Arc<[u32]>,
        lives: Vec<Arc<Lives>>,
        attributes: Box<dyn AttributesByPlace>,
    ) -> Self {
        Self { order, lives, attributes, shapes: OnceLock::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the place of the series at position `at` of the order.
    #[inline]
    pub(crate) fn place(&self, at: usize) -> Option<usize> {
        self.order.get(at).map(|place| *place as usize)
    }

    /// Returns the id and the start time of the series at this place.
    #[inline]
    pub(crate) fn life(&self, place: usize) -> Option<(SeriesId, SystemTime)> {
        let (series, start) = self.lives.get(place / PLACES)?.at(place % PLACES);
        Some((SeriesId::from_bits(series), UNIX_EPOCH + Duration::from_nanos(start)))
    }

    #[inline]
    pub(crate) fn attributes(&self, place: usize) -> Attributes {
        self.attributes.at(place)
    }

    /// Touches the series from position `from` on, up to [`AHEAD`] of them, so that the processor loads them into its
    /// cache. Consecutive series may be anywhere in memory: loading many at once takes one wait, loading each at its
    /// use would take a wait for each.
    pub(crate) fn load(&self, from: usize) {
        // Fewer series are still in an outer cache since they were read.
        if self.order.len() < 1 << 15 {
            return;
        }
        let places = self.order.get(from..).unwrap_or_default();
        let places = places.get(..AHEAD).unwrap_or(places);
        let lives = places.iter().filter_map(|place| self.life(*place as usize));
        black_box(lives.map(|(series, _)| series.to_bits()).fold(0, u64::wrapping_add));
        self.attributes.load(places);
    }

    pub(crate) fn lives(&self) -> &[Arc<Lives>] {
        &self.lives
    }

    /// Returns the attributes of one series for each shape. A shape consists of the keys and, for each value, its type
    /// and whether it is an empty text or NaN.
    pub(crate) fn shapes(&self) -> &[Attributes] {
        self.shapes.get_or_init(|| {
            let (mut known, mut last) = (HashSet::new(), Vec::new());
            let mut shapes = Vec::new();
            for place in self.places() {
                let attributes = self.attributes(place);
                let shape = attributes.iter().map(|(key, value)| {
                    // Series with the same keys share the texts of these keys, so comparing addresses is enough.
                    (key.as_ptr() as usize, value.shape())
                });
                if shapes.is_empty() || !shape.clone().eq(last.iter().copied()) {
                    last = shape.collect();
                    if known.insert(last.clone()) {
                        shapes.push(attributes);
                    }
                }
            }
            shapes
        })
    }

    /// Returns the series that do not have the same place in `other`.
    pub(crate) fn beside(&self, other: &Self) -> Vec<SeriesId> {
        let mut beside = Vec::new();
        for (at, lives) in self.lives.iter().enumerate() {
            let others = other.lives.get(at);
            if others.is_some_and(|others| Arc::ptr_eq(lives, others)) {
                continue;
            }
            for at in 0..PLACES {
                let life = lives.at(at);
                if life.0 > 0 && others.is_none_or(|others| others.at(at) != life) {
                    beside.push(SeriesId::from_bits(life.0));
                }
            }
        }
        beside
    }

    /// Returns all places that hold a series, in rising order.
    fn places(&self) -> impl Iterator<Item = usize> {
        let is_taken = |place: &usize| self.lives[place / PLACES].has(place % PLACES);
        (0..self.lives.len() * PLACES).filter(is_taken)
    }
}

impl fmt::Debug for StoredSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSeries").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The number of series that are loaded at a time: as many as fit into the innermost cache.
pub(crate) const AHEAD: usize = 32;

/// The number of places that share one [`Lives`].
pub(crate) const PLACES: usize = 64;

/// The ids and start times of the series at some places. Most series begin shortly after each other: `Near` takes half
/// as much memory for these.
#[expect(clippy::large_enum_variant, reason = "nearly all are near each other")]
pub(crate) enum Lives {
    /// The offsets from the smallest id and start time.
    Near {
        least: Life,
        beyond: [(u32, u32); PLACES],
    },
    Far(Box<[Life]>),
}

/// The bits of the id, and the start time in nanoseconds since 1970. Both are zero if there is no series.
pub(crate) type Life = (u64, u64);

impl Lives {
    /// Packs the ids and start times of up to [`PLACES`] series.
    pub(crate) fn of(lives: &[Life]) -> Self {
        let present = || lives.iter().filter(|(series, _)| *series > 0);
        let least = (
            // One less than the smallest id, so that an offset of zero means that there is no series.
            present().map(|(series, _)| series - 1).min().unwrap_or(0),
            present().map(|(_, start)| *start).min().unwrap_or(0),
        );
        let mut beyond = [(0, 0); PLACES];
        for (beyond, (series, start)) in beyond.iter_mut().zip(lives).filter(|(_, it)| it.0 > 0) {
            match (u32::try_from(series - least.0), u32::try_from(start - least.1)) {
                (Ok(series), Ok(start)) => *beyond = (series, start),
                _ => return Self::Far(lives.into()),
            }
        }
        Self::Near { least, beyond }
    }

    /// Returns whether the packed values equal `lives`.
    pub(crate) fn are(&self, lives: &[Life]) -> bool {
        match self {
            Self::Far(far) => **far == *lives,
            Self::Near { .. } => lives.iter().enumerate().all(|(at, life)| self.at(at) == *life),
        }
    }

    /// Returns whether there is a series at index `at`.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.at(at).0 > 0
    }

    #[inline]
    fn at(&self, at: usize) -> Life {
        match self {
            Self::Near { least, beyond } => match beyond[at] {
                (0, _) => (0, 0),
                (series, start) => (least.0 + u64::from(series), least.1 + u64::from(start)),
            },
            Self::Far(lives) => lives.get(at).copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_kept_as_they_are_however_far_apart() {
        let wide = u64::from(u32::MAX);
        for lives in [
            vec![(7, 100), (0, 0), (8, 100)],
            vec![(1, 0)],
            vec![(0, 0); PLACES],
            vec![(5, 10), (5 + wide, 10 + wide)],
            vec![(5, 10), (4 + wide, 10 + wide)],
            vec![(5, 11 + wide), (6, 10)],
            vec![(1 << 60, u64::MAX), (1, 1)],
        ] {
            let kept = Lives::of(&lives);
            assert!(kept.are(&lives), "{lives:?}");
            let mut others = lives.clone();
            others[0].0 += 1;
            assert!(!kept.are(&others), "{lives:?}");
            let all = (0..lives.len()).map(|at| kept.at(at));
            assert!(all.eq(lives), "as they were");
        }
        assert!(matches!(Lives::of(&[(5, 10), (4 + wide, 10 + wide)]), Lives::Near { .. }));
        assert!(matches!(Lives::of(&[(5, 10), (5 + wide, 11)]), Lives::Far(_)));
    }
}

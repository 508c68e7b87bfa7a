//! Label keys, and what is known about their values.

use std::fmt;

use super::Labels;
use super::value::{LabelRef, LabelValue};
use crate::attributes::{AttributeRef, AttributeValue};
use crate::store::label_set::LabelSet;

/// The maximum number of keys in a label set that `derive(Labels)` combines from flattened sets.
const MOST_KEYS: usize = 64;

/// The key of a label: its name, its values if they are closed, and the maximum number of distinct values.
#[derive(Clone, Copy)]
pub struct LabelKey {
    name: &'static str,
    cardinality: Option<usize>,
    nth: fn(usize) -> LabelRef<'static>,
    max_values: Option<usize>,
    is_optional: bool,
}

impl LabelKey {
    /// Creates a key whose values are not known at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            cardinality: None,
            nth: <str as LabelValue>::nth,
            max_values: None,
            is_optional: false,
        }
    }

    /// Creates a key with values of type `V`. The key is closed if `V` has few values that are known at compile time.
    pub const fn of<V: LabelValue + ?Sized>(name: &'static str) -> Self {
        Self::of_values(name, V::CARDINALITY, V::nth, V::IS_OPTIONAL)
    }

    /// Creates a key from the properties of its value type.
    #[doc(hidden)] // for `derive(Labels)`: without a bound that the compiler would mention in errors
    pub const fn of_values(
        name: &'static str,
        cardinality: Option<usize>,
        nth: fn(usize) -> LabelRef<'static>,
        is_optional: bool,
    ) -> Self {
        Self { name, cardinality, nth, max_values: None, is_optional }
    }

    /// Limits the number of distinct values. Any further value is recorded as `other`. By default, there is no limit.
    ///
    /// The first values are kept. A value counts toward the limit even after its series have been removed.
    #[must_use]
    pub const fn max_values(self, values: usize) -> Self {
        Self { max_values: Some(values), ..self }
    }

    /// Returns the name of the key.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns all possible values, with `None` for an absent value. Returns `None` if they are not known at compile
    /// time.
    pub fn closed_values(&self) -> Option<Vec<Option<AttributeValue>>> {
        let values = 0..self.cardinality?;
        Some(values.map(|index| (self.nth)(index).to_value()).collect())
    }

    /// Returns the maximum number of distinct values, if there is one.
    pub const fn value_limit(&self) -> Option<usize> {
        self.max_values
    }

    /// Returns whether a series may lack the label.
    pub const fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// Returns the keys of several sets in one list, and their number.
    #[doc(hidden)] // for `derive(Labels)`
    pub const fn join(sets: &[&[Self]]) -> ([Self; MOST_KEYS], usize) {
        let (mut keys, mut count, mut at) = ([Self::new(""); MOST_KEYS], 0, 0);
        while at < sets.len() {
            let mut from = 0;
            while from < sets[at].len() {
                assert!(
                    count < MOST_KEYS,
                    "a set of labels can have at most 64 keys, including those of flattened sets"
                );
                keys[count] = sets[at][from];
                (count, from) = (count + 1, from + 1);
            }
            at += 1;
        }
        (keys, count)
    }

    /// Returns the number of possible label sets, or `None` if it is not known at compile time.
    #[doc(hidden)] // for `derive(Labels)`
    pub const fn closed_sets(keys: &[Self]) -> Option<usize> {
        let mut sets: usize = 1;
        let mut at = 0;
        while at < keys.len() {
            // A key with a limit has one value more than its type: `other`.
            sets = match (keys[at].cardinality, keys[at].max_values) {
                (Some(values), None) => match sets.checked_mul(values) {
                    Some(sets) => sets,
                    None => return None,
                },
                _ => return None,
            };
            at += 1;
        }
        Some(sets)
    }

    /// Returns the index of a label set among all possible sets, or `None` if the key does not allow one of the values.
    pub(crate) fn place_of(keys: &[Self], labels: &impl Labels) -> Option<usize> {
        labels.index().or_else(|| {
            let (mut left, mut place) = (keys.iter(), Some(0));
            let mut find = |value: LabelRef<'_>| {
                if let Some(key) = left.next() {
                    place = key.place_below(place, value);
                }
            };
            labels.visit(&mut find);
            // If the set passes fewer values than it has keys, the remaining values are absent.
            keys.iter().for_each(|_| find(LabelRef::Absent));
            place
        })
    }

    /// Returns the index of stored values among all possible label sets.
    pub(crate) fn place_of_values(keys: &[Self], labels: &LabelSet) -> Option<usize> {
        let mut pairs = keys.iter().zip(labels.values());
        pairs.try_fold(0, |place, (key, value)| key.place_below(Some(place), LabelRef::of(value)))
    }

    /// Returns the values of the label set at `index`, in the order of `keys`.
    pub(crate) fn nth_set(keys: &[Self], mut index: usize) -> Vec<Option<AttributeValue>> {
        let mut values = vec![None; keys.len()];
        for (key, value) in keys.iter().zip(&mut values).rev() {
            let base = key.cardinality.unwrap_or(1).max(1);
            *value = (key.nth)(index % base).to_value();
            index /= base;
        }
        values
    }

    /// Returns the index of a label set up to and including this value, given the index up to the keys before it.
    fn place_below(&self, place: Option<usize>, value: LabelRef<'_>) -> Option<usize> {
        let values = self.cardinality.unwrap_or(0);
        let at = (0..values).find(|index| {
            let nth = (self.nth)(*index).to_value();
            value.is(nth.as_ref().map(AttributeRef::from))
        })?;
        Some(place? * values + at)
    }
}

impl PartialEq for LabelKey {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.cardinality, self.max_values)
            == (other.name, other.cardinality, other.max_values)
            // The same function lists the same values; for different functions, the values are compared.
            && (std::ptr::fn_addr_eq(self.nth, other.nth)
                || self.closed_values() == other.closed_values())
    }
}

impl Eq for LabelKey {}

/// Formats the name and what is known about the values: `"success" of [false, true]`.
impl fmt::Debug for LabelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name, f)?;
        if let Some(values) = self.closed_values() {
            let shown = values.iter().map(|value| match value {
                Some(value) => value.to_string(),
                None => "none".to_owned(),
            });
            write!(f, " of [{}]", shown.collect::<Vec<_>>().join(", "))?;
        }
        match self.max_values {
            Some(values) => write!(f, " with {values} values at most"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [LabelKey; 3] = [
        LabelKey::of::<bool>("success"),
        LabelKey::of::<Option<bool>>("cached"),
        LabelKey::of::<bool>("dry_run"),
    ];

    #[test]
    fn closed_keys_multiply_and_one_open_key_opens_the_set() {
        assert_eq!(LabelKey::closed_sets(&KEYS), Some(12));
        assert_eq!(LabelKey::closed_sets(&[KEYS[0], LabelKey::new("tenant")]), None);
        assert_eq!(LabelKey::closed_sets(&[KEYS[0].max_values(1)]), None);
    }

    #[test]
    fn debug_shows_what_is_known_about_the_values() {
        assert_eq!(format!("{:?}", KEYS[1]), "\"cached\" of [none, false, true]");
        let tenant = LabelKey::new("tenant").max_values(50);
        assert_eq!(format!("{tenant:?}"), "\"tenant\" with 50 values at most");
    }

    #[test]
    fn the_last_key_is_the_lowest_digit() {
        let sets: Vec<_> = (0..12).map(|index| LabelKey::nth_set(&KEYS, index)).collect();
        let of = |value| Some(AttributeValue::Bool(value));
        assert_eq!(sets[0], [of(false), None, of(false)]);
        assert_eq!(sets[1], [of(false), None, of(true)]);
        assert_eq!(sets[2], [of(false), of(false), of(false)]);
        assert_eq!(sets[11], [of(true), of(true), of(true)]);
    }
}

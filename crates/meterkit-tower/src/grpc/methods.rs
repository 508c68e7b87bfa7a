//! The methods that may become label values.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

/// The methods that may be label values. Callers may have made up all others.
#[derive(Clone, Debug)]
pub(crate) enum KnownMethods {
    /// Exactly these methods.
    Listed(HashSet<String>),
    /// The methods that calls have shown to exist.
    Learned(Arc<Learned>),
}

impl KnownMethods {
    pub(crate) fn learning() -> Self {
        Self::Learned(Arc::new(Learned::new()))
    }

    pub(crate) fn listed<T: Into<String>>(methods: impl IntoIterator<Item = T>) -> Self {
        // Accept a path too.
        let without_slash = |method: String| match method.strip_prefix('/') {
            Some(method) => method.to_owned(),
            None => method,
        };
        Self::Listed(methods.into_iter().map(|method| without_slash(method.into())).collect())
    }

    pub(crate) fn contains(&self, method: &str) -> bool {
        match self {
            Self::Listed(methods) => methods.contains(method),
            Self::Learned(methods) => methods.contains(method),
        }
    }

    /// Adds a method that exists. Returns whether the method is known from now on.
    pub(crate) fn learn(&self, method: &str) -> bool {
        match self {
            Self::Listed(_) => false,
            Self::Learned(methods) => methods.insert(method),
        }
    }
}

/// Returns the service and method of a path, which are its last two parts: `greeter.Greeter/SayHello`.
pub(crate) fn method_of(path: &str) -> Option<&str> {
    let (before, method) = path.rsplit_once('/')?;
    let (prefix, service) = before.rsplit_once('/')?;
    (!service.is_empty() && !method.is_empty()).then(|| path.get(prefix.len() + 1..))?
}

/// The capacity of the table: more methods than any program has, and small enough that the table need not grow.
const MOST_METHODS: usize = 1024;

/// A hash table without removal, so that no look-up waits.
pub(crate) struct Learned {
    places: Box<[OnceLock<Box<str>>]>,
    hasher: RandomState,
}

impl Learned {
    fn new() -> Self {
        let places = (0..MOST_METHODS).map(|_| OnceLock::new()).collect();
        Self { places, hasher: RandomState::new() }
    }

    fn contains(&self, method: &str) -> bool {
        // A method is stored in the first place that was free, so the search ends at a free place.
        self.places_for(method).map_while(OnceLock::get).any(|it| **it == *method)
    }

    fn insert(&self, method: &str) -> bool {
        self.places_for(method).any(|place| **place.get_or_init(|| method.into()) == *method)
    }

    /// Returns all places, in the order in which `method` tries them.
    fn places_for(&self, method: &str) -> impl Iterator<Item = &OnceLock<Box<str>>> {
        let first = self.hasher.hash_one(method) as usize % self.places.len();
        let (before, after) = self.places.split_at(first);
        after.iter().chain(before)
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.places.iter().filter_map(OnceLock::get)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_the_end_of_a_path() {
        assert_eq!(method_of("/a.B/C"), Some("a.B/C"));
        assert_eq!(method_of("/behind/a/prefix/a.B/C"), Some("a.B/C"));
        for path in ["", "/", "a.B/C", "/C", "//C", "/a.B/", "*"] {
            assert_eq!(method_of(path), None, "{path}");
        }
    }

    #[test]
    fn a_list_contains_all_known_methods() {
        let methods = KnownMethods::listed(["a.B/C", "/a.B/D"]);
        assert!(methods.contains("a.B/C") && methods.contains("a.B/D"));
        assert!(!methods.learn("a.B/E"));
        assert!(!methods.contains("a.B/E"));
    }

    #[test]
    fn as_many_methods_are_learned_as_there_are_places() {
        let methods = KnownMethods::learning();
        let name = |number| format!("a.B/{number}");
        assert!((0..MOST_METHODS).all(|number| !methods.contains(&name(number))));
        assert!((0..MOST_METHODS).all(|number| methods.learn(&name(number))));
        assert!((0..MOST_METHODS).all(|number| methods.learn(&name(number))), "once more");
        assert!((0..MOST_METHODS).all(|number| methods.contains(&name(number))));
        assert!(!methods.learn("a.B/more"));
        assert!(!methods.contains("a.B/more"));
    }
}

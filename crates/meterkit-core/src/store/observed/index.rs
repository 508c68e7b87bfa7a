//! Finds rows by the hash of their labels.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Finds rows by the hash of their labels. Rows with the same hash are numbered.
#[derive(Default)]
pub(super) struct Index(HashMap<(u64, u32), usize, RandomState>);

impl Index {
    /// Returns the index of rows with these hashes, which are in row order.
    pub(super) fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut index = Self(HashMap::with_capacity_and_hasher(hashes.len(), Default::default()));
        hashes.enumerate().for_each(|(row, hash)| index.insert(hash, row));
        index
    }

    /// Returns the row with this hash for which `is_it` returns `true`.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut rows = (0..).map_while(|at| self.0.get(&(hash, at)).copied());
        rows.find(|row| is_it(*row))
    }

    pub(super) fn insert(&mut self, hash: u64, row: usize) {
        let free = (0..).find(|at| !self.0.contains_key(&(hash, *at)));
        self.0.extend(free.map(|at| ((hash, at), row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_among_others_with_the_same_hash() {
        let mut index = Index::of([7, 7, 8].into_iter());
        for row in 3..100 {
            index.insert(7, row);
        }
        for row in (0..2).chain(3..100) {
            assert_eq!(index.find(7, |at| at == row), Some(row));
        }
        assert_eq!(index.find(8, |_| true), Some(2));
        assert_eq!(index.find(7, |at| at == 2), None);
        assert_eq!(index.find(9, |_| true), None);
        assert_eq!(Index::default().find(9, |_| true), None);
    }
}

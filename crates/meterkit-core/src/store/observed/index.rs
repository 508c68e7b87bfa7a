//! Finds rows by the hash of their labels.

/// Finds rows by the hash of their labels: open addressing, never more than half full.
#[derive(Default)]
pub(super) struct Index {
    places: Vec<Option<Place>>,
    len: usize,
}

#[derive(Clone, Copy)]
struct Place {
    hash: u64,
    row: u32,
}

impl Index {
    /// An index of rows with these hashes, in order.
    pub(super) fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut index = Self::default();
        index.grow(hashes.len());
        for (row, hash) in hashes.enumerate() {
            index.insert(hash, row);
        }
        index
    }

    /// The row with this hash of which `is_it` says that it is the one.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let rows = self.probe(hash).map_while(|at| self.places[at]);
        rows.filter(|place| place.hash == hash)
            .map(|place| place.row as usize)
            .find(|row| is_it(*row))
    }

    pub(super) fn insert(&mut self, hash: u64, row: usize) {
        self.grow(self.len + 1);
        let free = self.probe(hash).find(|at| self.places[*at].is_none());
        // There are twice as many places as rows.
        if let Some(at) = free {
            self.places[at] = Some(Place { hash, row: row as u32 });
            self.len += 1;
        }
    }

    /// Makes room for `rows`.
    fn grow(&mut self, rows: usize) {
        let needed = (rows * 2).next_power_of_two().max(8);
        if needed <= self.places.len() {
            return;
        }
        let places = std::mem::replace(&mut self.places, vec![None; needed]);
        self.len = 0;
        for place in places.into_iter().flatten() {
            self.insert(place.hash, place.row as usize);
        }
    }

    fn probe(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.places.len() - 1;
        let start = hash as usize & mask;
        (0..=mask).map(move |step| (start + step) & mask)
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

//! Sorting that is compiled only once: the stable sort of the standard library generates thousands of instructions for
//! each element type.

use std::cmp::Ordering;

/// Sorts `items` by `compare`. The sort is stable.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    // Items are mostly in order already, as in the collection before.
    if items.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let mut order = order(items.len(), &|a, b| compare(&items[a], &items[b]));
    arrange(&mut order, &mut |a, b| items.swap(a, b));
}

/// Sorts `items`. The sort is stable.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Sorts `items` by `key`, which is called once for each item. The sort is stable.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl FnMut(&T) -> K) {
    let keys: Vec<K> = items.iter().map(key).collect();
    let mut order = order(items.len(), &|a, b| keys[a].cmp(&keys[b]));
    arrange(&mut order, &mut |a, b| items.swap(a, b));
}

/// Sorts `named` by name, and merges entries with the same name: `add` adds each later value to the first.
pub(crate) fn join<T: Copy>(named: &mut Vec<(String, T)>, add: impl Fn(&mut T, T)) {
    sort_by(named, |(a, _), (b, _)| a.cmp(b));
    named.dedup_by(|(later, value), (first, total)| {
        let is_same = later == first;
        if is_same {
            add(total, *value);
        }
        is_same
    });
}

/// Returns whether an entry with this name exists in a list that [`join`] has sorted.
pub(crate) fn has<T>(named: &[(String, T)], name: &str) -> bool {
    named.binary_search_by(|(known, _)| known.as_str().cmp(name)).is_ok()
}

/// Returns the indices of `len` items in sorted order. The sort is stable.
fn order(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

/// Swaps items until each position holds the item that `order` assigns to it.
fn arrange(order: &mut [usize], swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut order[at], at);
            if from == start {
                break;
            }
            swap(at, from);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_name_is_joined() {
        let mut named: Vec<_> =
            [("b", 1), ("a", 2), ("b", 4)].map(|(name, it)| (name.to_owned(), it)).into();
        join(&mut named, |total, more| *total += more);
        assert_eq!(named, [("a".to_owned(), 2), ("b".to_owned(), 5)]);
        assert!(has(&named, "b") && !has(&named, "c"));
    }

    #[test]
    fn items_are_sorted_and_equal_ones_stay_in_their_order() {
        let mut state = 7_u64;
        for len in [0, 1, 2, 3, 20, 21, 500] {
            let mut items: Vec<(u64, usize)> = (0..len)
                .map(|at| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 60, at)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|it| it.0);
            sort_by(&mut items, |a, b| a.0.cmp(&b.0));
            assert_eq!(items, expected);
            items.reverse();
            sort_by_key(&mut items, |it| it.0);
            expected.sort_by_key(|it| (it.0, std::cmp::Reverse(it.1)));
            assert_eq!(items, expected);
            sort(&mut items);
            expected.sort();
            assert_eq!(items, expected);
        }
    }
}

//! The queue of undelivered requests, oldest first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::batch::Batch;

/// Waiting requests, ordered by time. Their memory and their age are limited.
#[derive(Debug)]
pub(crate) struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    max_bytes: usize,
    max_age: Duration,
    /// The time of the newest requests, in milliseconds since 1970.
    newest: Option<i64>,
    next_id: u64,
    /// Changes that are not on disk yet. `None` if the queue is not kept on disk.
    changes: Option<Changes>,
}

/// The changes of a queue since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Added requests, by their ids.
    pub(crate) added: BTreeMap<u64, Batch>,
    pub(crate) removed: Vec<u64>,
}

impl Changes {
    /// Appends changes that were made after these.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.added.append(&mut later.added);
        for id in later.removed {
            self.remove(id);
        }
    }

    /// Records a removal. If the addition is still among the changes, both cancel out.
    fn remove(&mut self, id: u64) {
        if self.added.remove(&id).is_none() {
            self.removed.push(id);
        }
    }
}

impl Queue {
    pub(crate) fn new(max_bytes: usize, max_age: Duration) -> Self {
        let batches = VecDeque::new();
        Self { batches, bytes: 0, max_bytes, max_age, newest: None, next_id: 0, changes: None }
    }

    /// Adds requests that an earlier process left, and starts to record changes. Ids below `next_id` are not assigned
    /// again. Returns the requests that do not fit.
    pub(crate) fn restore(&mut self, batches: Vec<Batch>, next_id: u64) -> Vec<Batch> {
        self.next_id = next_id;
        self.changes.get_or_insert_default();
        for batch in batches {
            let place = (batch.time, batch.id);
            let at = self.batches.partition_point(|other| (other.time, other.id) < place);
            self.bytes += batch.bytes();
            self.batches.insert(at, batch);
        }
        let mut dropped = Vec::new();
        while self.bytes > self.max_bytes {
            dropped.extend(self.pop());
        }
        dropped
    }

    /// Records all requests as added, for a disk that has lost them.
    pub(crate) fn note_all(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.added = self.batches.iter().map(|batch| (batch.id, batch.clone())).collect();
        }
    }

    /// Returns the changes since the last call. They are empty if the queue does not record changes.
    pub(crate) fn take_changes(&mut self) -> Changes {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds all requests of one snapshot, even if they exceed the size limit: each is to be sent once before it may
    /// be dropped for lack of room. Returns the requests that are dropped because of their age, or that an earlier
    /// export left beyond the limit.
    pub(crate) fn push(&mut self, batches: Vec<Batch>) -> Vec<Batch> {
        let Some(time) = batches.last().map(|batch| batch.time) else {
            return Vec::new();
        };
        // An export that was cut off did not drop its excess requests.
        let mut dropped = self.drop_oldest();
        dropped.append(&mut self.drop_older(time));
        for batch in batches {
            let batch = self.accept(batch);
            self.batches.push_back(batch);
        }
        dropped
    }

    /// Removes and returns the oldest requests, until the rest is within the size limit.
    pub(crate) fn drop_oldest(&mut self) -> Vec<Batch> {
        // A request that can never fit would otherwise push out all others first.
        let too_large = self.batches.iter().filter(|batch| batch.bytes() > self.max_bytes);
        let mut dropped: Vec<Batch> = too_large.cloned().collect();
        for batch in &dropped {
            self.remove(batch.id);
        }
        while self.bytes > self.max_bytes {
            dropped.extend(self.pop());
        }
        dropped
    }

    /// Removes and returns the requests that are too old at `time`. A single wrong clock reading removes none: the
    /// earlier of the last two times counts.
    fn drop_older(&mut self, time: i64) -> Vec<Batch> {
        let now = self.newest.replace(time).map_or(time, |before| time.min(before));
        let max_age = i64::try_from(self.max_age.as_millis()).unwrap_or(i64::MAX);
        let mut dropped = Vec::new();
        while self.batches.front().is_some_and(|it| now.saturating_sub(it.time) > max_age) {
            dropped.extend(self.pop());
        }
        dropped
    }

    /// Returns the oldest requests, up to `most` with the same time. No two of them have a series in common.
    pub(crate) fn oldest(&self, most: usize) -> Vec<Batch> {
        let time = self.batches.front().map(|batch| batch.time);
        let of_that_time = self.batches.iter().take_while(|batch| Some(batch.time) == time);
        of_that_time.take(most).cloned().collect()
    }

    /// Returns whether the request with this id still waits.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.batches.iter().any(|batch| batch.id == id)
    }

    /// Removes a request that was delivered, or that never will be.
    pub(crate) fn remove(&mut self, id: u64) {
        self.replace(id, Vec::new());
    }

    /// Replaces a request with others, in its place. Returns the ids of the others.
    pub(crate) fn replace(&mut self, id: u64, others: Vec<Batch>) -> Vec<u64> {
        let Some(at) = self.batches.iter().position(|batch| batch.id == id) else {
            return Vec::new();
        };
        if let Some(removed) = self.batches.remove(at) {
            self.release(&removed);
        }
        let mut ids = Vec::with_capacity(others.len());
        for (at, other) in (at..).zip(others) {
            let other = self.accept(other);
            ids.push(other.id);
            self.batches.insert(at, other);
        }
        ids
    }

    /// Returns the first request with another time than the oldest ones.
    pub(crate) fn next_moment(&self) -> Option<&Batch> {
        let oldest = self.batches.front()?.time;
        self.batches.iter().find(|batch| batch.time != oldest)
    }

    /// Returns the request with this id.
    pub(crate) fn get(&self, id: u64) -> Option<&Batch> {
        self.batches.iter().find(|batch| batch.id == id)
    }

    /// Returns the number of requests.
    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Returns the memory that the requests take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.release(&batch);
        Some(batch)
    }

    fn accept(&mut self, batch: Batch) -> Batch {
        let batch = Batch { id: self.next_id, ..batch };
        self.next_id += 1;
        self.bytes += batch.bytes();
        if let Some(changes) = &mut self.changes {
            changes.added.insert(batch.id, batch.clone());
        }
        batch
    }

    fn release(&mut self, batch: &Batch) {
        if self.batches.len() < self.batches.capacity() / 4 {
            self.batches.shrink_to(self.batches.len() * 2);
        }
        self.bytes -= batch.bytes();
        if let Some(changes) = &mut self.changes {
            changes.remove(batch.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::OVERHEAD;
    use crate::wire::Version;

    /// The number of bytes that count as one unit in these tests.
    const UNIT: usize = 1000;

    fn queue_of(max_bytes: usize, max_age: Duration) -> Queue {
        Queue::new(max_bytes * UNIT, max_age)
    }

    fn batch(time: i64, bytes: usize) -> Batch {
        Batch {
            id: 0,
            time,
            version: Version::V2,
            body: vec![0; bytes * UNIT - OVERHEAD].into(),
            size: 0,
            samples: 1,
            histograms: 0,
        }
    }

    fn times(batches: &[Batch]) -> Vec<i64> {
        batches.iter().map(|batch| batch.time).collect()
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut queue = queue_of(100, Duration::MAX);
        queue.push(vec![batch(1, 40), batch(1, 30)]);
        queue.push(vec![batch(2, 30)]);
        assert!(queue.drop_oldest().is_empty());
        queue.push(vec![batch(3, 50)]);
        assert_eq!(times(&queue.drop_oldest()), [1, 1]);
        assert_eq!((queue.len(), queue.bytes() / UNIT), (2, 80));
        queue.push(vec![batch(4, 101)]);
        assert_eq!(times(&queue.drop_oldest()), [4], "a request that can never fit");
        queue.push(vec![batch(5, 100)]);
        assert_eq!(times(&queue.drop_oldest()), [2, 3]);
        assert_eq!((queue.len(), queue.bytes() / UNIT), (1, 100));
    }

    #[test]
    fn the_newest_may_be_larger_than_the_queue_until_others_come() {
        let mut queue = queue_of(100, Duration::MAX);
        assert!(queue.push(vec![batch(1, 60), batch(1, 60), batch(1, 101)]).is_empty());
        assert_eq!(queue.oldest(9).len(), 3);
        assert_eq!(queue.push(vec![batch(2, 1)]).len(), 2);
        assert_eq!(queue.bytes() / UNIT, 61);
    }

    #[test]
    fn requests_that_are_too_old_are_dropped() {
        let mut queue = queue_of(1000, Duration::from_millis(10));
        assert!(queue.push(vec![batch(1, 1)]).is_empty());
        assert!(queue.push(vec![batch(11, 1)]).is_empty());
        assert!(queue.push(vec![batch(12, 1)]).is_empty());
        assert_eq!(times(&queue.push(vec![batch(13, 1)])), [1]);
        assert!(queue.push(Vec::new()).is_empty());
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn a_clock_that_is_wrong_once_makes_nothing_older() {
        let mut queue = queue_of(1000, Duration::from_millis(10));
        for time in [1, 2, 99_999, 4, 5] {
            assert!(queue.push(vec![batch(time, 1)]).is_empty());
        }
        let mut queue = queue_of(1000, Duration::from_millis(10));
        assert!(queue.restore(vec![batch(1, 1), batch(99_999, 1)], 1).is_empty());
        assert!(queue.push(vec![batch(3, 1)]).is_empty());
    }

    #[test]
    fn only_requests_of_one_moment_go_out_together() {
        let mut queue = queue_of(1000, Duration::MAX);
        queue.push(vec![batch(1, 1), batch(1, 1), batch(1, 1)]);
        queue.push(vec![batch(2, 1)]);
        assert_eq!(times(&queue.oldest(2)), [1, 1]);
        let all = queue.oldest(9);
        assert_eq!(times(&all), [1, 1, 1]);
        for batch in all {
            queue.remove(batch.id);
        }
        assert_eq!(times(&queue.oldest(9)), [2]);
    }

    #[test]
    fn others_take_the_place_of_a_request() {
        let mut queue = queue_of(1000, Duration::MAX);
        queue.push(vec![batch(1, 10), batch(2, 10)]);
        let first = queue.oldest(1);
        queue.replace(first[0].id, vec![batch(1, 4), batch(1, 5)]);
        let sizes = queue.oldest(9).iter().map(|batch| batch.bytes() / UNIT).collect::<Vec<_>>();
        assert_eq!((sizes, queue.bytes() / UNIT), (vec![4, 5], 19));
        queue.remove(first[0].id);
        assert_eq!(queue.len(), 3, "an id is used once");
    }

    #[test]
    fn changes_are_returned_once_and_only_if_they_last() {
        let mut queue = queue_of(1000, Duration::MAX);
        queue.push(vec![batch(1, 1)]);
        let changes = queue.take_changes();
        assert!(changes.added.is_empty() && changes.removed.is_empty(), "changes are not recorded");

        let mut queue = queue_of(25, Duration::MAX);
        let left = |id, time| Batch { id, ..batch(time, 10) };
        let dropped = queue.restore(vec![left(7, 3), left(3, 2), left(5, 1)], 8);
        assert_eq!(times(&dropped), [1], "the oldest, whatever its id");
        assert_eq!(queue.take_changes().removed, [5]);
        queue.push(vec![batch(4, 1), batch(4, 2)]);
        let newest = queue.oldest(1)[0].id;
        queue.remove(newest);
        queue.remove(9);
        let changes = queue.take_changes();
        assert_eq!(changes.added.into_keys().collect::<Vec<_>>(), [8]);
        assert_eq!(changes.removed, [3]);
        assert!(queue.take_changes().added.is_empty());
    }
}

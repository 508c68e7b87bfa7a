//! Receivers of all kinds: which items are delivered or dropped, and how many requests that takes.

use bytes::Bytes;
use http::Response;

use super::*;
use crate::headers::Headers;

/// A request with numbered items of ten bytes each.
#[derive(Clone, Debug)]
struct Items(Vec<u32>);

impl Divide for Items {
    fn items(&self) -> usize {
        self.0.len()
    }

    fn split(self, count: usize) -> [Self; 2] {
        let (first, others) = self.0.split_at(count);
        [Self(first.to_vec()), Self(others.to_vec())]
    }
}

fn error(status: u16) -> SendError {
    let reply = Response::builder().status(status).body(Bytes::new());
    SendError::of(&reply.expect("a reply"), "", &Headers::default())
}

/// A target with the outcome of its items.
struct Exports {
    refusals: Refusals,
    outbox: Option<Outbox<Items>>,
    accepted: Vec<u32>,
    dropped: u64,
    requests: Vec<usize>,
}

impl Exports {
    fn new() -> Self {
        let (accepted, requests) = (Vec::new(), Vec::new());
        Self { refusals: Refusals::new(usize::MAX), outbox: None, accepted, dropped: 0, requests }
    }

    /// Delivers `items` items, or continues with an unfinished outbox. `status` returns the answers of the receiver.
    /// Returns the number of requests.
    fn export(&mut self, items: u32, mut status: impl FnMut(&[u32]) -> u16) -> usize {
        self.refusals.begin_attempt();
        let new = |refusals: &mut _| Outbox::new([Items((0..items).collect())], refusals);
        let mut outbox = self.outbox.take().unwrap_or_else(|| new(&mut self.refusals));
        let before = self.requests.len();
        while let Some(request) = outbox.next(&mut self.refusals) {
            let size = request.0.len() * 10;
            if size > self.refusals.limit() && request.0.len() > 1 {
                outbox.halve(&mut self.refusals);
                continue;
            }
            self.requests.push(request.0.len());
            match status(&request.0) {
                200 => {
                    outbox.accepted(&mut self.refusals, size);
                    self.accepted.extend(request.0);
                }
                status => outbox.refused(&mut self.refusals, &error(status), size),
            }
        }
        if outbox.is_empty() {
            let dropped = outbox.end(&mut self.refusals).unwrap_or_default();
            self.dropped += dropped.iter().map(|it| it.items).sum::<u64>();
        } else if outbox.is_begun() {
            self.outbox = Some(outbox);
        }
        self.requests.len() - before
    }

    /// Returns the accepted items in order, and checks that each was accepted once.
    fn take(&mut self) -> Vec<u32> {
        let mut accepted = std::mem::take(&mut self.accepted);
        accepted.sort_unstable();
        let count = accepted.len();
        accepted.dedup();
        assert_eq!(accepted.len(), count, "none is accepted twice");
        accepted
    }
}

/// Returns a receiver that answers `status` to requests with a bad item.
fn refusing(status: u16, is_bad: impl Fn(u32) -> bool) -> impl Fn(&[u32]) -> u16 {
    move |items| if items.iter().any(|item| is_bad(*item)) { status } else { 200 }
}

/// Returns an outbox with two items in one request.
fn two(refusals: &mut Refusals) -> Outbox<Items> {
    let mut outbox = Outbox::new([Items(vec![1, 2])], refusals);
    assert!(outbox.next(refusals).is_some());
    outbox
}

#[test]
fn an_outbox_is_begun_when_an_item_arrived_or_may_have() {
    let mut refusals = Refusals::new(usize::MAX);
    let mut outbox = two(&mut refusals);
    outbox.halve(&mut refusals);
    assert!(!outbox.is_begun());
    outbox.doubt(true);
    assert!(outbox.is_begun());
    outbox.doubt(false);
    assert!(!outbox.is_begun());
    outbox.accepted(&mut refusals, 1);
    assert!(outbox.is_begun() && !outbox.is_in_doubt());
}

fn dropped(reason: &str) -> Dropped {
    Dropped { items: 1, reason: reason.to_owned(), cause: Cause::Other }
}

#[test]
fn halves_of_what_may_have_arrived_may_have_too() {
    let mut refusals = Refusals::new(usize::MAX);
    let mut outbox = two(&mut refusals);
    outbox.doubt(true);
    outbox.halve(&mut refusals);
    assert!(outbox.is_doubted());
    outbox.drop_current(&mut refusals, "bad", Cause::Other);
    assert!(outbox.is_doubted());
    outbox.drop_current(&mut refusals, "worse", Cause::Other);
    assert!(!outbox.is_begun());
    assert_eq!(outbox.end(&mut refusals), Err(dropped("worse")));
}

#[test]
fn what_is_malformed_is_halved_and_may_not_have_arrived_before() {
    let mut refusals = Refusals::new(usize::MAX);
    let mut outbox = two(&mut refusals);
    outbox.doubt(true);
    for refused in 1..=3 {
        outbox.refused(&mut refusals, &error(400), 20);
        assert!(!outbox.is_begun());
        assert_eq!(outbox.next(&mut refusals).is_none(), refused == 3, "{refused}");
    }
    assert!(outbox.is_empty());
    assert!(outbox.end(&mut refusals).is_err(), "nothing was accepted");
}

#[test]
fn what_is_dropped_is_lost_only_when_something_was_accepted() {
    let mut refusals = Refusals::new(usize::MAX);
    let mut outbox = two(&mut refusals);
    outbox.halve(&mut refusals);
    outbox.drop_current(&mut refusals, "bad", Cause::Other);
    outbox.accepted(&mut refusals, 10);
    assert_eq!(outbox.end(&mut refusals), Ok(vec![dropped("bad")]));
}

#[test]
fn items_whose_content_is_refused_are_dropped_alone() {
    for status in [400, 413, 422] {
        for bad in [&[0][..], &[1999], &[5, 1000, 1001], &[]] {
            let is_bad = |item: u32| bad.contains(&item);
            let mut exports = Exports::new();
            let requests = exports.export(2000, refusing(status, is_bad));
            let expected: Vec<u32> = (0..2000).filter(|item| !is_bad(*item)).collect();
            assert_eq!(exports.take(), expected, "{status} {bad:?}");
            assert_eq!(exports.dropped, bad.len() as u64);
            assert!(requests <= 1 + 24 * bad.len(), "{status} {bad:?}: {requests}");
        }
    }
}

#[test]
fn items_on_which_the_receiver_fails_are_dropped_alone_once_that_lasts() {
    for (status, patience) in [(500, 2), (501, 2), (599, 2), (503, 9)] {
        for bad in [&[0][..], &[1999], &[5, 1000, 1001], &[7, 8, 9, 10, 11, 12, 13, 14, 15]] {
            let is_bad = |item: u32| bad.contains(&item);
            let mut exports = Exports::new();
            for attempt in 1..=patience {
                assert_eq!(exports.export(2000, refusing(status, is_bad)), 1, "{attempt}");
            }
            let mut attempts = 0;
            while exports.dropped == 0 && attempts < 10 {
                let requests = exports.export(2000, refusing(status, is_bad));
                assert!(requests < 150, "{requests}");
                attempts += 1;
            }
            let expected: Vec<u32> = (0..2000).filter(|item| !is_bad(*item)).collect();
            assert_eq!(exports.take(), expected, "{status} {bad:?} {attempts}");
            assert_eq!(exports.dropped, bad.len() as u64);
            assert!(bad.len() > 5 || attempts == 1, "{bad:?} {attempts}");
            // An interrupted search continues with the same items, but not forever.
            for _ in 0..5 {
                exports.export(2000, refusing(status, is_bad));
            }
            exports.accepted.clear();
            let dropped = exports.dropped;
            exports.export(2000, refusing(status, is_bad));
            assert_eq!(exports.take(), expected, "{status} {bad:?}");
            assert_eq!(exports.dropped - dropped, bad.len() as u64);
            // Without bad items, one request suffices again.
            exports.export(2000, |_| 200);
            assert_eq!(exports.export(2000, |_| 200), 1);
        }
    }
}

#[test]
fn in_an_outage_nothing_is_divided_or_dropped() {
    for status in [500, 502, 503, 504, 599] {
        let mut exports = Exports::new();
        for _ in 0..50 {
            assert!(exports.export(100, |_| status) <= 3);
        }
        assert!(exports.requests.iter().all(|items| [1, 100].contains(items)));
        exports.requests.clear();
        assert_eq!(exports.export(100, |_| 200), 1, "{status}: it is not divided");
        assert_eq!((exports.take().len(), exports.dropped), (100, 0));
    }
}

#[test]
fn an_outage_that_begins_after_the_canary_does_not_drop_what_waits() {
    let mut exports = Exports::new();
    for _ in 0..2 {
        exports.export(1000, |_| 500);
    }
    let mut accepts = true;
    let canary_only = |items: &[u32]| match items.len() {
        1 if std::mem::take(&mut accepts) => 200,
        _ => 500,
    };
    exports.export(1000, canary_only);
    assert_eq!(exports.accepted.len(), 1);
    for _ in 0..2 {
        exports.export(1000, |_| 500);
    }
    exports.export(1000, |_| 200);
    assert_eq!((exports.take().len(), exports.dropped), (1000, 0));
}

#[test]
fn a_receiver_that_refuses_the_sender_is_asked_once_per_attempt_and_nothing_is_dropped() {
    for status in [301, 401, 403, 404, 405, 407, 408, 429] {
        let mut exports = Exports::new();
        for _ in 0..50 {
            assert_eq!(exports.export(100, |_| status), 1, "{status}");
        }
        assert_eq!(exports.export(100, |_| 200), 1);
        assert_eq!((exports.take().len(), exports.dropped), (100, 0), "{status}");
    }
}

#[test]
fn a_receiver_that_refuses_every_content_is_asked_little() {
    for status in [400, 413, 422] {
        let mut exports = Exports::new();
        assert!(exports.export(1020, |_| status) <= 8, "{status}");
        for _ in 0..50 {
            assert!(exports.export(1020, |_| status) <= 2, "{status}");
        }
        assert_eq!((exports.accepted.len(), exports.dropped), (0, 0));
        // The receiver starts to accept items, at first all except one.
        exports.export(1020, refusing(status, |item| item == 77));
        assert_eq!((exports.take().len(), exports.dropped), (1019, 1), "{status}");
        assert!(exports.export(1020, |_| 200) <= 2);
        assert_eq!(exports.take().len(), 1020);
    }
}

#[test]
fn a_search_has_an_end() {
    for (status, attempts) in [(400, 1), (422, 1), (500, 30)] {
        let mut exports = Exports::new();
        for _ in 0..attempts {
            let requests =
                exports.export(5000, refusing(status, |item| item < 2500 && item % 3 == 0));
            assert!(requests <= 200, "{status}: {requests}");
        }
        let accepted = exports.accepted.len() as u64;
        assert!(accepted >= 2500, "{status}: one half is fine, and {accepted} are accepted");
        assert_eq!((accepted + exports.dropped) % 5000, 0, "{status}: each is accepted or counted");
    }
}

#[test]
fn a_receiver_that_has_a_limit_is_sent_requests_of_that_size() {
    let mut exports = Exports::new();
    let limited = |items: &[u32]| if items.len() > 300 { 413 } else { 200 };
    assert!(exports.export(2000, limited) < 16);
    assert_eq!(exports.take().len(), 2000);
    let before = exports.requests.len();
    exports.export(2000, limited);
    assert!(exports.requests[before..].iter().all(|items| *items <= 300), "it was learned");
    // A few refusals that had another reason are forgotten later.
    let mut refused = 0;
    exports.export(2000, |_| {
        refused += 1;
        if refused <= 5 { 413 } else { 200 }
    });
    for _ in 0..20 {
        exports.export(2000, |_| 200);
    }
    assert_eq!(exports.export(2000, |_| 200), 1);
    assert_eq!(exports.dropped, 0);
}

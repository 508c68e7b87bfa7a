//! The outbox, which holds the requests of one export.

use std::collections::VecDeque;

use meterkit_rules::Cause;

use crate::refusals::{Next, Refusals, Verdict};
use crate::send_error::{SendError, SendErrorKind};

/// A request whose items can be divided into several requests. Cheap to clone.
pub trait Divide: Clone {
    /// Returns the number of items in the request.
    fn items(&self) -> usize;

    /// Splits the request into one with the first `count` items and one with the others. `count` is greater than 0 and
    /// less than [`items`](Self::items).
    fn split(self, count: usize) -> [Self; 2];
}

/// The undelivered requests of one export. [`Refusals`] decides what happens to requests that the receiver refuses.
///
/// Call [`next`](Self::next), send the request that it returns, and report the outcome with
/// [`accepted`](Self::accepted) or [`refused`](Self::refused), until `next` returns `None`.
#[derive(Debug)]
pub struct Outbox<R> {
    /// The requests. The first one is the current one.
    parts: VecDeque<Part<R>>,
    next_id: u64,
    /// The other items of the current request while its canary is sent.
    without_canary: Option<Vec<R>>,
    is_accepted: bool,
    dropped: Vec<Dropped>,
}

#[derive(Debug)]
struct Part<R> {
    id: u64,
    request: R,
    /// Whether the receiver may have received the request: it was sent, and no answer says otherwise.
    is_in_doubt: bool,
}

/// Items that are not sent again because the receiver would never accept them, all for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The number of items.
    pub items: u64,
    /// The reason that the receiver stated.
    pub reason: String,
    /// The cause, reported as the attribute `error.type`.
    pub cause: Cause,
}

impl<R: Divide> Outbox<R> {
    /// Creates an outbox with these requests.
    pub fn new(requests: impl IntoIterator<Item = R>, refusals: &mut Refusals) -> Self {
        refusals.begin_lot();
        let parts = requests.into_iter().filter(|request| request.items() > 0);
        let parts = (0..).zip(parts).map(|(id, request)| Part { id, request, is_in_doubt: false });
        let parts: VecDeque<_> = parts.collect();
        let next_id = parts.len() as u64;
        Self { parts, next_id, without_canary: None, is_accepted: false, dropped: Vec::new() }
    }

    /// Returns the next request to send and makes it the current one. Returns `None` if the export must stop or
    /// everything is delivered: see [`is_empty`](Self::is_empty).
    pub fn next(&mut self, refusals: &mut Refusals) -> Option<R> {
        // A canary may be left over from an export that was cut off.
        self.without_canary = None;
        let at = self.parts.iter().position(|part| refusals.may_send(part.id));
        match refusals.next(at.is_some()) {
            Next::Request => {
                self.make_current(at?);
                self.current().cloned()
            }
            Next::Canary => {
                self.make_current(self.parts.iter().position(|part| part.request.items() > 1)?);
                let whole = self.current()?.clone();
                let (items, mut others) = (whole.items(), Vec::new());
                let at = refusals.canary(items);
                let mut canary = whole;
                if at > 0 {
                    let [before, rest] = canary.split(at);
                    others.push(before);
                    canary = rest;
                }
                if canary.items() > 1 {
                    let [first, after] = canary.split(1);
                    others.push(after);
                    canary = first;
                }
                self.without_canary = Some(others);
                Some(canary)
            }
            Next::Nothing => None,
        }
    }

    /// Replaces the current request, which is too large for the receiver, with `first` followed by `rest`.
    pub fn divide(&mut self, refusals: &mut Refusals, first: R, rest: R) {
        if self.without_canary.is_none() {
            self.replace(refusals, vec![first, rest], true);
        }
    }

    /// Replaces the current request, which is too large for the receiver, with its two halves.
    pub fn halve(&mut self, refusals: &mut Refusals) {
        if let Some(current) = self.current().filter(|current| current.items() > 1) {
            let [first, rest] = current.clone().split(current.items() / 2);
            self.divide(refusals, first, rest);
        }
    }

    /// Sets whether the receiver may have received the current request although no answer confirms it. Call this before
    /// sending the request, which may be cut off.
    pub fn doubt(&mut self, is_in_doubt: bool) {
        if let Some(current) = self.parts.front_mut() {
            current.is_in_doubt = is_in_doubt;
        }
    }

    /// Returns whether the receiver may have received the current request.
    pub fn is_doubted(&self) -> bool {
        self.parts.front().is_some_and(|part| part.is_in_doubt)
    }

    /// Returns whether the receiver may have received some request although no answer confirms it.
    pub fn is_in_doubt(&self) -> bool {
        self.parts.iter().any(|part| part.is_in_doubt)
    }

    /// Returns whether the receiver has accepted a part of the export, or may have.
    pub fn is_begun(&self) -> bool {
        self.is_accepted || self.is_in_doubt()
    }

    /// Returns whether no request is left to send.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Records that the receiver accepted the current request of `size` bytes.
    pub fn accepted(&mut self, refusals: &mut Refusals, size: usize) {
        self.is_accepted = true;
        match self.without_canary.take() {
            Some(others) => {
                refusals.accepted(None, size);
                self.replace(refusals, others, true);
            }
            None => {
                let part = self.parts.pop_front();
                refusals.accepted(part.map(|part| part.id), size);
            }
        }
    }

    /// Records that the receiver refused the current request of `size` bytes.
    pub fn refused(&mut self, refusals: &mut Refusals, error: &SendError, size: usize) {
        if self.without_canary.take().is_some() {
            match refusals.canary_refused(error) {
                // The receiver accepted nothing, so the export fails as a whole.
                Verdict::Drop if !self.is_accepted => {
                    while !self.parts.is_empty() {
                        self.drop_current(refusals, &error.reason, error.cause);
                    }
                }
                Verdict::Drop => self.drop_current(refusals, &error.reason, error.cause),
                Verdict::Divide | Verdict::Keep => {}
            }
            return;
        }
        let Some(part) = self.parts.front_mut() else {
            return;
        };
        if error.kind == SendErrorKind::Invalid {
            // A receiver that considers the request invalid has not accepted it before either.
            part.is_in_doubt = false;
        }
        let items = part.request.items();
        match refusals.judge(part.id, items, size, error) {
            Verdict::Divide => {
                // The halves of a request that was too large may have the right size, so they keep their place.
                // Otherwise, send larger requests first, so that most of the waiting items are accepted sooner.
                let comes_next = error.kind == SendErrorKind::TooLarge;
                let halves = part.request.clone().split(items / 2);
                self.replace(refusals, halves.into(), comes_next);
            }
            Verdict::Drop => self.drop_current(refusals, &error.reason, error.cause),
            Verdict::Keep => {}
        }
    }

    /// Drops the current request.
    pub fn drop_current(&mut self, refusals: &mut Refusals, reason: &str, cause: Cause) {
        let items = match (self.without_canary.take(), self.current()) {
            (Some(others), _) => {
                self.replace(refusals, others, true);
                1
            }
            (None, Some(current)) => {
                let items = current.items() as u64;
                self.replace(refusals, Vec::new(), true);
                items
            }
            (None, None) => return,
        };
        match self.dropped.iter_mut().find(|known| known.reason == reason) {
            Some(known) => known.items += items,
            None => self.dropped.push(Dropped { items, reason: reason.to_owned(), cause }),
        }
    }

    /// Ends the export and returns the dropped items, if the receiver accepted others or nothing was dropped.
    ///
    /// # Errors
    ///
    /// Returns the last dropped items if items were dropped and the receiver accepted nothing.
    pub fn end(self, refusals: &mut Refusals) -> Result<Vec<Dropped>, Dropped> {
        refusals.end_attempt();
        match self.dropped.last() {
            Some(last) if !self.is_accepted => Err(last.clone()),
            _ => Ok(self.dropped),
        }
    }

    fn current(&self) -> Option<&R> {
        self.parts.front().map(|part| &part.request)
    }

    fn make_current(&mut self, at: usize) {
        if let Some(part) = self.parts.remove(at) {
            self.parts.push_front(part);
        }
    }

    /// Replaces the current request.
    fn replace(&mut self, refusals: &mut Refusals, requests: Vec<R>, comes_next: bool) {
        let Some(Part { id, is_in_doubt, .. }) = self.parts.pop_front() else {
            return;
        };
        let ids: Vec<u64> = (self.next_id..).take(requests.len()).collect();
        self.next_id += ids.len() as u64;
        refusals.divided(id, &ids);
        let parts = ids.into_iter().zip(requests);
        let parts = parts.map(|(id, request)| Part { id, request, is_in_doubt });
        if comes_next {
            parts.rev().for_each(|part| self.parts.push_front(part));
        } else {
            self.parts.extend(parts);
        }
    }
}

#[cfg(test)]
mod tests;

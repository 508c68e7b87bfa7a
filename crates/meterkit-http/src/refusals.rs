//! What becomes of requests that a receiver refuses.

use std::collections::HashMap;

use http::StatusCode;

use crate::send_error::{SendError, SendErrorKind};
use crate::size_limit::SizeLimit;

/// Decides what becomes of the requests that the receiver of one target refuses.
///
/// - A refusal of the sender, such as status 401, 403 or 404, ends the attempt. The request is kept.
/// - A request whose content is refused, with status 400, 413 or 422, is divided, and dropped if it has one item.
/// - A request that is answered with 5xx is kept, as long as all requests are: that is an outage. If it lasts, the
///   receiver is sent a *canary*, a single item. Only if it accepts that, or another request, after it failed on this
///   one, and fails on this one again, then the content is at fault.
///
/// Where the receiver refuses whatever it is sent, a canary among it, a request is dropped undivided. Where it refuses
/// much, no more than 64 requests are spent on the search for what is at fault.
///
/// Requests have numbers that their owner gives them. A request that is divided is followed by its parts.
#[derive(Debug)]
pub struct Refusals {
    limit: SizeLimit,
    trials: HashMap<u64, Trial>,
    /// How many requests were accepted.
    accepted: u64,
    /// How long it has been failing with 5xx: see [`weight`].
    trouble: u32,
    /// Attempts that ended since only what is at fault seemed to be left.
    stuck: u32,
    /// Whether nothing is accepted whatever its content is.
    is_hopeless: bool,
    /// How many canaries were sent: each has another item.
    canaries: usize,
    refused_of_lot: usize,
    accepted_before_lot: u64,
    attempt: Attempt,
}

/// One attempt to deliver what waits.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    number: u64,
    refused: usize,
    /// Refused since anything was accepted: requests, and canaries.
    in_a_row: usize,
    canaries_in_a_row: usize,
    has_failed: bool,
    needs_canary: bool,
    /// Whether the canary is to show whether any content is accepted.
    is_in_the_dark: bool,
    is_over: bool,
}

/// What the receiver has made of one request so far.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    /// What was accepted when it was refused first, in the attempt of this number.
    since: Option<(u64, u64)>,
    /// What was accepted when it was refused last: it is not sent again before more is.
    last: Option<(u64, u64)>,
    /// Its content was refused when it was part of a larger request.
    is_part: bool,
}

/// What becomes of a request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a target does each")]
pub enum Verdict {
    /// It goes out in two halves.
    Divide,
    /// The receiver will never accept it.
    Drop,
    /// It is kept. [`Refusals::next`] knows whether another one is sent.
    Keep,
}

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a target does each")]
pub enum Next {
    /// A request that [may be sent](Refusals::may_send).
    Request,
    /// A single item.
    Canary,
    /// Nothing in this attempt.
    Nothing,
}

impl Refusals {
    /// Returns the rules for a receiver that nothing is known of. Requests have `most` bytes at most.
    pub fn new(most: usize) -> Self {
        Self {
            limit: SizeLimit::new(most),
            trials: HashMap::new(),
            accepted: 0,
            trouble: 0,
            stuck: 0,
            is_hopeless: false,
            canaries: 0,
            refused_of_lot: 0,
            accepted_before_lot: 0,
            attempt: Attempt::default(),
        }
    }

    /// Returns how many bytes the receiver accepts in one request, as far as that is known.
    pub fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Begins an attempt to deliver what waits.
    pub fn begin_attempt(&mut self) {
        self.attempt = Attempt { number: self.attempt.number + 1, ..Attempt::default() };
        self.limit.begin_attempt();
    }

    /// Begins with requests that have nothing to do with those before: a search in them has a budget of its own.
    pub fn begin_lot(&mut self) {
        self.refused_of_lot = 0;
        self.accepted_before_lot = self.accepted;
        self.trials.clear();
    }

    /// Notes that the attempt delivered all that waited.
    pub fn end_attempt(&mut self) {
        self.trials.clear();
        self.limit.end_attempt();
        if !self.attempt.has_failed {
            (self.trouble, self.stuck) = (0, 0);
        }
    }

    /// Returns what to send next, where `has_request` says whether there is a request that may be sent.
    pub fn next(&self, has_request: bool) -> Next {
        let Attempt { is_over, needs_canary, has_failed, .. } = self.attempt;
        match (is_over, needs_canary, has_request) {
            (true, ..) => Next::Nothing,
            (_, true, _) => Next::Canary,
            (.., true) => Next::Request,
            _ if has_failed && self.is_lasting() => Next::Canary,
            _ => Next::Nothing,
        }
    }

    /// Returns whether to send request `id`. One that was refused waits until another one is accepted, or for the next
    /// attempt.
    pub fn may_send(&self, id: u64) -> bool {
        let last = self.trials.get(&id).and_then(|trial| trial.last);
        last != Some((self.attempt.number, self.accepted))
    }

    /// Returns whether to send one request at a time: not all are accepted.
    pub fn is_careful(&self) -> bool {
        self.is_hopeless || self.is_lasting()
    }

    /// Returns which of `items` is to be the canary: another one each time.
    pub fn canary(&mut self, items: usize) -> usize {
        self.canaries += 1;
        // Spread over all of them in any order.
        self.canaries.wrapping_mul(SPREAD) % items.max(1)
    }

    /// Notes that request `id` of `size` bytes was accepted, or the canary.
    pub fn accepted(&mut self, id: Option<u64>, size: usize) {
        self.limit.accepted(size);
        self.accepted += 1;
        (self.attempt.in_a_row, self.attempt.needs_canary) = (0, false);
        self.attempt.canaries_in_a_row = 0;
        self.attempt.is_in_the_dark = false;
        self.is_hopeless = false;
        if let Some(id) = id {
            self.forget(id);
        }
    }

    /// Notes that the canary was refused as well. Returns what becomes of the request that it was taken from.
    pub fn canary_refused(&mut self, error: &SendError) -> Verdict {
        self.attempt.refused += 1;
        self.attempt.canaries_in_a_row += 1;
        if error.is_of_server() && self.attempt.canaries_in_a_row < CANARIES {
            // It may have been what is at fault itself.
            return Verdict::Keep;
        }
        if !error.is_of_content() || !std::mem::take(&mut self.attempt.is_in_the_dark) {
            return self.stop();
        }
        self.is_hopeless = true;
        self.limit.restore();
        self.attempt.needs_canary = false;
        // Others that wait for an acceptance have the same fate, one by one.
        self.trials.values_mut().for_each(|trial| trial.last = None);
        Verdict::Drop
    }

    /// Notes that request `id` became `parts`.
    pub fn divided(&mut self, id: u64, parts: &[u64]) {
        let trial = self.trials.remove(&id).unwrap_or_default();
        let part = Trial { last: None, ..trial };
        self.trials.extend(parts.iter().map(|id| (*id, part)));
    }

    /// Forgets a request that is gone.
    pub fn forget(&mut self, id: u64) {
        self.trials.remove(&id);
    }

    /// Decides what becomes of request `id`, which has so many `items`, and so many bytes, its `size`.
    pub fn judge(&mut self, id: u64, items: usize, size: usize, error: &SendError) -> Verdict {
        self.attempt.refused += 1;
        self.attempt.in_a_row += 1;
        let now = (self.attempt.number, self.accepted);
        let trial = self.trials.entry(id).or_default();
        trial.last = Some(now);
        if error.is_of_content() {
            match error.kind {
                SendErrorKind::TooLarge if items < 2 => self.limit.restore(),
                SendErrorKind::TooLarge if !self.is_hopeless => self.limit.refused(size),
                _ => {}
            }
            if items > 1 && self.accepted == self.accepted_before_lot {
                return self.divide_in_the_dark(id);
            }
            return self.divide(id, items);
        }
        let Some(status) = error.status.filter(|_| error.is_of_server()) else {
            return self.stop();
        };
        // Of parts it is known that something is wrong with them; other requests are asked anew in each attempt.
        let is_known = trial.is_part || trial.since.is_some_and(|(attempt, _)| attempt == now.0);
        let since = *trial.since.get_or_insert(now);
        if !is_known {
            trial.since = Some(now);
        }
        if !std::mem::replace(&mut self.attempt.has_failed, true) {
            self.trouble = self.trouble.saturating_add(weight(status));
        }
        if !self.is_lasting() {
            return self.stop();
        }
        if !is_known || since.1 == self.accepted {
            // Perhaps another one is accepted.
            self.attempt.needs_canary = self.attempt.in_a_row >= FRUITLESS;
            return Verdict::Keep;
        }
        if self.attempt.in_a_row >= FRUITLESS && self.stuck < PATIENCE {
            // It may be an outage that began in the middle of the search.
            self.stuck += 1;
            return self.stop();
        }
        self.divide(id, items)
    }

    /// Divides a request that may be refused whatever its content is.
    fn divide_in_the_dark(&mut self, id: u64) -> Verdict {
        if self.is_hopeless || self.attempt.in_a_row >= FRUITLESS {
            (self.attempt.needs_canary, self.attempt.is_in_the_dark) = (true, true);
            return Verdict::Keep;
        }
        self.divide(id, 2)
    }

    fn divide(&mut self, id: u64, items: usize) -> Verdict {
        if self.attempt.refused > MOST_REFUSED {
            return self.stop();
        }
        self.refused_of_lot += 1;
        // Each part that waits may be refused, and this one makes two.
        let waiting = self.trials.iter().filter(|(other, it)| it.is_part && **other != id).count();
        if items < 2 || self.refused_of_lot + waiting + 2 > MOST_REFUSED {
            return Verdict::Drop;
        }
        if let Some(trial) = self.trials.get_mut(&id) {
            trial.is_part = true;
        }
        Verdict::Divide
    }

    fn stop(&mut self) -> Verdict {
        self.attempt.is_over = true;
        Verdict::Keep
    }

    fn is_lasting(&self) -> bool {
        self.trouble >= LASTING
    }
}

impl SendError {
    /// Returns whether the receiver refuses what is in the request, or its size.
    fn is_of_content(&self) -> bool {
        matches!(self.kind, SendErrorKind::Invalid | SendErrorKind::TooLarge)
    }

    /// Returns whether the receiver fails, and does not ask to be left alone.
    fn is_of_server(&self) -> bool {
        let wants_time = self.retry_after.is_some_and(|pause| !pause.is_zero());
        self.status.is_some_and(|status| status.is_server_error()) && !wants_time
    }
}

/// How much an attempt that ends with this status adds to the trouble. Some say that it is a matter of time.
fn weight(status: StatusCode) -> u32 {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            1
        }
        _ => 4,
    }
}

/// The trouble that calls for a canary: three attempts, or ten that the receiver calls a matter of time.
const LASTING: u32 = 10;

/// So many refusals in a row, and nothing accepted, call for a canary.
const FRUITLESS: usize = 6;

/// So many canaries are sent in a row.
const CANARIES: usize = 2;

/// So many attempts may end in the middle of a search before it goes on without an acceptance.
const PATIENCE: u32 = 3;

/// How many requests may be refused in search of what is at fault.
const MOST_REFUSED: usize = 64;

/// A prime, so that canaries come from everywhere.
const SPREAD: usize = 7919;

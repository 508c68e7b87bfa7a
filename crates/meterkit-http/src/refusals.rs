//! Decisions about requests that a receiver refuses.

use std::collections::HashMap;

use http::StatusCode;

use crate::send_error::{SendError, SendErrorKind};
use crate::size_limit::SizeLimit;

/// The rules that decide what happens to the requests that the receiver of one target refuses.
///
/// - A refusal of the sender, such as status 401, 403 or 404, ends the attempt. The request is kept.
/// - A request whose content is refused, with status 400, 413 or 422, is divided, or dropped if it has only one item.
/// - A request that is answered with 5xx is kept as long as all requests are answered so, because that is an outage. If
///   the outage lasts, the receiver is sent a *canary*, which is a single item. The content of a request is considered
///   at fault only if the receiver fails on the request, then accepts the canary or another request, and then fails on
///   the request again.
///
/// If the receiver refuses everything, including a canary, a request is dropped undivided. If it refuses much, the
/// search for the items at fault uses at most 64 refused requests.
///
/// Requests are identified by numbers that their owner assigns. When a request is divided, its parts inherit its
/// history.
#[derive(Debug)]
pub struct Refusals {
    limit: SizeLimit,
    trials: HashMap<u64, Trial>,
    /// The number of accepted requests.
    accepted: u64,
    /// How long the receiver has been failing with 5xx, as a sum of [`weight`]s.
    trouble: u32,
    /// The number of attempts that ended in the middle of a search, because everything that was left seemed to be at
    /// fault.
    stuck: u32,
    /// Whether the receiver refuses everything, whatever its content.
    is_hopeless: bool,
    /// The number of canaries sent so far. Each uses another item.
    canaries: usize,
    refused_of_lot: usize,
    accepted_before_lot: u64,
    attempt: Attempt,
}

/// One attempt to deliver the waiting requests.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    number: u64,
    refused: usize,
    /// The number of requests refused since the last acceptance.
    in_a_row: usize,
    /// The number of canaries refused since the last acceptance.
    canaries_in_a_row: usize,
    has_failed: bool,
    needs_canary: bool,
    /// Whether the canary must show whether the receiver accepts any content.
    is_in_the_dark: bool,
    is_over: bool,
}

/// The history of one refused request. A moment is the number of an attempt and the number of requests accepted by
/// then.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    /// The moment of the first refusal; unless the request is a part, of the first one in the last attempt.
    since: Option<(u64, u64)>,
    /// The moment when the request was last refused. It is not sent again before another request is accepted or the
    /// next attempt begins.
    last: Option<(u64, u64)>,
    /// Whether the request is part of a larger one whose content was refused.
    is_part: bool,
}

/// What happens to a request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a target does each")]
pub enum Verdict {
    /// The request is sent in two halves.
    Divide,
    /// The request is dropped, because the receiver will never accept it.
    Drop,
    /// The request is kept. [`Refusals::next`] says what to send next.
    Keep,
}

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a target does each")]
pub enum Next {
    /// A request that [may be sent](Refusals::may_send).
    Request,
    /// A canary, which is a single item.
    Canary,
    /// Nothing in this attempt.
    Nothing,
}

impl Refusals {
    /// Creates the rules for a receiver of which nothing is known yet. Requests have at most `most` bytes.
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

    /// Returns the number of bytes that the receiver is believed to accept in one request.
    pub fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Starts an attempt to deliver the waiting requests.
    pub fn begin_attempt(&mut self) {
        self.attempt = Attempt { number: self.attempt.number + 1, ..Attempt::default() };
        self.limit.begin_attempt();
    }

    /// Starts with new requests that are unrelated to earlier ones. A search in them has its own budget.
    pub fn begin_lot(&mut self) {
        self.refused_of_lot = 0;
        self.accepted_before_lot = self.accepted;
        self.trials.clear();
    }

    /// Records that the attempt delivered everything.
    pub fn end_attempt(&mut self) {
        self.trials.clear();
        self.limit.end_attempt();
        if !self.attempt.has_failed {
            (self.trouble, self.stuck) = (0, 0);
        }
    }

    /// Returns what to send next. `has_request` says whether there is a request that [may be sent](Self::may_send).
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

    /// Returns whether request `id` may be sent. A refused request waits until another one is accepted, or until the
    /// next attempt.
    pub fn may_send(&self, id: u64) -> bool {
        let last = self.trials.get(&id).and_then(|trial| trial.last);
        last != Some((self.attempt.number, self.accepted))
    }

    /// Returns whether to send only one request at a time, because the receiver does not accept all requests.
    pub fn is_careful(&self) -> bool {
        self.is_hopeless || self.is_lasting()
    }

    /// Returns the index of the item to use as the canary, another one each time.
    pub fn canary(&mut self, items: usize) -> usize {
        self.canaries += 1;
        // Spread the canaries over all items.
        self.canaries.wrapping_mul(SPREAD) % items.max(1)
    }

    /// Records that the request `id` of `size` bytes was accepted, or the canary if `id` is `None`.
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

    /// Records that the canary was refused too. Returns what happens to the request from which it was taken.
    pub fn canary_refused(&mut self, error: &SendError) -> Verdict {
        self.attempt.refused += 1;
        self.attempt.canaries_in_a_row += 1;
        if error.is_of_server() && self.attempt.canaries_in_a_row < CANARIES {
            // The canary itself may be the item at fault.
            return Verdict::Keep;
        }
        if !error.is_of_content() || !std::mem::take(&mut self.attempt.is_in_the_dark) {
            return self.stop();
        }
        self.is_hopeless = true;
        self.limit.restore();
        self.attempt.needs_canary = false;
        // Other requests that wait for an acceptance will be dropped in the same way, one by one.
        self.trials.values_mut().for_each(|trial| trial.last = None);
        Verdict::Drop
    }

    /// Records that the request `id` was divided into `parts`.
    pub fn divided(&mut self, id: u64, parts: &[u64]) {
        let trial = self.trials.remove(&id).unwrap_or_default();
        let part = Trial { last: None, ..trial };
        self.trials.extend(parts.iter().map(|id| (*id, part)));
    }

    /// Forgets a request that no longer exists.
    pub fn forget(&mut self, id: u64) {
        self.trials.remove(&id);
    }

    /// Decides what happens to the refused request `id`, which has `items` items and `size` bytes.
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
        // Parts are known to contain something wrong. Other requests are tried afresh in each attempt.
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
            // Perhaps the receiver accepts another request.
            self.attempt.needs_canary = self.attempt.in_a_row >= FRUITLESS;
            return Verdict::Keep;
        }
        if self.attempt.in_a_row >= FRUITLESS && self.stuck < PATIENCE {
            // An outage may have started in the middle of the search.
            self.stuck += 1;
            return self.stop();
        }
        self.divide(id, items)
    }

    /// Divides a request while it is unknown whether the receiver accepts any content.
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
        // Each waiting part may be refused, and this request becomes two parts.
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
    /// Returns whether the receiver refuses the content or the size of the request.
    fn is_of_content(&self) -> bool {
        matches!(self.kind, SendErrorKind::Invalid | SendErrorKind::TooLarge)
    }

    /// Returns whether the receiver failed with 5xx and did not ask for a wait.
    fn is_of_server(&self) -> bool {
        let wants_time = self.retry_after.is_some_and(|pause| !pause.is_zero());
        self.status.is_some_and(|status| status.is_server_error()) && !wants_time
    }
}

/// Returns how much an attempt that fails with this status adds to `trouble`. Statuses of temporary problems add less.
fn weight(status: StatusCode) -> u32 {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            1
        }
        _ => 4,
    }
}

/// The trouble that requires a canary: three failed attempts, or ten with the status of a temporary problem.
const LASTING: u32 = 10;

/// The number of refusals in a row that requires a canary.
const FRUITLESS: usize = 6;

/// The maximum number of canaries in a row.
const CANARIES: usize = 2;

/// The number of attempts that may end in the middle of a search before the search continues without an acceptance.
const PATIENCE: u32 = 3;

/// The maximum number of refused requests in a search for the items at fault.
const MOST_REFUSED: usize = 64;

/// A prime number, so that canaries are spread over all items.
const SPREAD: usize = 7919;

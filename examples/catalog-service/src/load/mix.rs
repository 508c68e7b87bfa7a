//! The list of requests that each worker goes through again and again.

use crate::{entity::Kind, scaffolder::Template};

/// One request of the list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Creates the entity of that slot.
    Create(Slot),
    /// Reads it.
    Get(Slot),
    /// Gives it a description.
    Describe(Slot),
    /// Gives it the next kind.
    ChangeKind(Slot),
    /// Deletes it.
    Delete(Slot),
    /// Lists all entities.
    List,
    /// Lists those of one kind.
    ListKind(Kind),
    /// Lists those of a kind that does not exist.
    ListBadKind,
    /// Creates an entity whose name breaks the rule.
    CreateBadName,
    /// Creates an entity of a kind that does not exist.
    CreateBadKind,
    /// Starts a task that makes a new entity.
    Start(Template),
    /// Starts a task that makes an entity of a name that is taken.
    StartTaken(Slot),
    /// Starts a task with a template that does not exist.
    StartBadTemplate,
    /// Reads the oldest task that is not known to have ended.
    Look,
    /// Reads a task that does not exist.
    LookMissing,
    /// Asks for a path that no route matches.
    Unmatched,
    /// Uses a method that the route does not have.
    BadMethod,
    /// Uses a method that HTTP does not have.
    UnknownMethod,
}

/// The entities of one round through the list; their kinds change from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// Stays in the catalog.
    Kept,
    /// Changes its kind and is deleted later.
    Changed,
    /// Is deleted as it was.
    Dropped,
    /// Is never created.
    Missing,
}

impl Slot {
    /// What the names of its entities end with.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Missing => "missing",
        }
    }

    /// The kind of its entity when it is created: over three rounds each slot has each kind once.
    pub(super) fn kind(self, round: u64) -> Kind {
        Kind::ALL[((round + self as u64) % 3) as usize]
    }
}

/// The list: what it creates it deletes, except for one entity and two tasks' entities a round.
/// The comment at each request says the status that a sound service answers.
pub(super) const MIX: [Step; 28] = [
    Step::Create(Slot::Kept),        // 201
    Step::Create(Slot::Changed),     // 201
    Step::Create(Slot::Dropped),     // 201
    Step::Create(Slot::Kept),        // 409
    Step::Start(Template::Service),  // 202
    Step::List,                      // 200
    Step::Get(Slot::Kept),           // 200
    Step::Get(Slot::Missing),        // 404
    Step::Describe(Slot::Kept),      // 200
    Step::ChangeKind(Slot::Changed), // 200
    Step::Describe(Slot::Missing),   // 404
    Step::Start(Template::Website),  // 202
    Step::ListKind(Kind::Api),       // 200
    Step::Look,                      // 200
    Step::Delete(Slot::Dropped),     // 204
    Step::Delete(Slot::Missing),     // 404
    Step::Start(Template::Broken),   // 202
    Step::CreateBadName,             // 422
    Step::CreateBadKind,             // 422
    Step::Unmatched,                 // 404
    Step::StartBadTemplate,          // 422
    Step::Look,                      // 200
    Step::StartTaken(Slot::Kept),    // 202
    Step::LookMissing,               // 404
    Step::Delete(Slot::Changed),     // 204
    Step::BadMethod,                 // 405
    Step::UnknownMethod,             // 404
    Step::ListBadKind,               // 400
];

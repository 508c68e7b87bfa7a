//! The list of requests that each worker repeats.

use crate::{entity::Kind, scaffolder::Template};

/// One request of the list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Creates the entity of the slot.
    Create(Slot),
    /// Reads the entity of the slot.
    Get(Slot),
    /// Sets the description of the entity.
    Describe(Slot),
    /// Changes the entity to the next kind.
    ChangeKind(Slot),
    /// Deletes the entity.
    Delete(Slot),
    /// Lists all entities.
    List,
    /// Lists the entities of one kind.
    ListKind(Kind),
    /// Lists the entities of a kind that does not exist.
    ListBadKind,
    /// Creates an entity whose name breaks the rule.
    CreateBadName,
    /// Creates an entity of a kind that does not exist.
    CreateBadKind,
    /// Starts a task that creates a new entity.
    Start(Template),
    /// Starts a task that creates an entity whose name is taken.
    StartTaken(Slot),
    /// Starts a task with a template that does not exist.
    StartBadTemplate,
    /// Reads the oldest task that is not yet known to have ended.
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

/// The entities of one round through the list. Their kinds change from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// The entity stays in the catalog.
    Kept,
    /// The entity changes its kind and is deleted later.
    Changed,
    /// The entity is deleted unchanged.
    Dropped,
    /// The entity is never created.
    Missing,
}

impl Slot {
    /// Returns the suffix of the entity's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Missing => "missing",
        }
    }

    /// Returns the kind with which the entity is created. Over three rounds, each slot has each kind once.
    pub(super) fn kind(self, round: u64) -> Kind {
        Kind::ALL[((round + self as u64) % 3) as usize]
    }
}

/// The list deletes everything it creates, except for one entity and the entities of two tasks per round. The comment
/// at each request is the status that a correct service returns.
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

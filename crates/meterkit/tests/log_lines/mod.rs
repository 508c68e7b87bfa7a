//! What this library logs through `tracing`.
#![allow(dead_code, reason = "each test file needs a part of it")]

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Runs `work` and gives each event of this thread as `LEVEL message field=value …`.
pub(crate) fn of<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    // While there is one subscriber, `tracing` asks the thread that comes to a line first whether anybody wants it: in
    // another test, that thread has none. With more it asks them all.
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| [(); 2].map(|()| Dispatch::new(Lines::default())));
    LazyLock::force(&OTHERS);
    let lines = Lines::default();
    let outcome = tracing::subscriber::with_default(lines.clone(), work);
    let lines = lines.0.lock().unwrap().clone();
    (outcome, lines)
}

/// Like [`of`], with the events of all threads. For a process that does nothing else.
pub(crate) fn of_all_threads<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("it is the first");
    let outcome = work();
    let lines = lines.0.lock().unwrap().clone();
    (outcome, lines)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.fields, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}

impl Subscriber for Lines {
    /// Other crates may log too, depending on features that someone else switches on.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("meterkit")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = format!("{} {}{}", event.metadata().level(), line.message, line.fields);
        self.0.lock().unwrap().push(text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

//! The log lines that meterkit writes through `tracing`.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Runs `work`, and returns each event of this thread as `LEVEL message field=value …`.
pub fn of<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    // With a single subscriber, `tracing` caches whether an event is wanted by the first thread that reaches it, which
    // may belong to a test without a subscriber. With several subscribers, `tracing` asks all of them.
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| [(); 2].map(|()| Dispatch::new(Lines::default())));
    LazyLock::force(&OTHERS);
    let lines = Lines::default();
    let outcome = tracing::subscriber::with_default(lines.clone(), work);
    let lines = lines.0.lock().unwrap().clone();
    (outcome, lines)
}

/// Like [`of`], with the events of all threads. Works only once per process, so the test needs a process of its own.
///
/// # Panics
///
/// Panics if the process already has a global subscriber.
pub fn of_all_threads<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone())
        .expect("no other global subscriber is set");
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
    /// Other crates may log, too, depending on the features that the workspace enables.
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

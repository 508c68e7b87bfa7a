//! Log events of callbacks: gathered while callbacks run, and written by the collecting thread.

use tracing::Level;

use super::Callbacks;

/// Up to this many callbacks with the same event get a line each. Above that, they share one line.
const NAMED: usize = 20;

/// How many callbacks a shared line names.
const EXAMPLES: usize = 3;

/// An event of a callback that an operator should know about.
pub(super) struct Event {
    pub(super) level: Level,
    /// Identical for all callbacks with the same event.
    pub(super) message: &'static str,
    pub(super) detail: Option<String>,
}

impl Callbacks {
    /// Logs the events since the last call: a few lines at most, however many callbacks have problems.
    pub(super) fn log_events(&self) {
        let mut events = Vec::new();
        for callback in self.registered() {
            let new = std::mem::take(&mut callback.state().events);
            events.extend(new.into_iter().map(|event| (event, callback.clone())));
        }
        while let Some((first, _)) = events.first() {
            let message = first.message;
            let (alike, others): (Vec<_>, _) =
                events.into_iter().partition(|(event, _)| event.message == message);
            events = others;
            if alike.len() <= NAMED {
                for (event, callback) in alike {
                    event.log(&callback.names(), callback.registered_at());
                }
            } else {
                let named: Vec<_> = alike[..EXAMPLES].iter().map(|it| it.1.names()).collect();
                let more = alike.len() - EXAMPLES;
                let names = format!("{} and those of {more} more callbacks", named.join(", "));
                alike[0].0.log(&names, alike[0].1.registered_at());
            }
        }
    }
}

impl Event {
    /// Logs the event. Errors include the place of registration, which helps to find a panic; other events explain
    /// themselves.
    fn log(&self, instruments: &str, registered_at: Option<String>) {
        let Self { level, message, detail } = self;
        let detail = detail.as_deref();
        match *level {
            Level::ERROR => tracing::error!(registered_at, instruments, detail, "{message}"),
            Level::WARN => tracing::warn!(instruments, detail, "{message}"),
            _ => tracing::info!(instruments, "{message}"),
        }
    }
}

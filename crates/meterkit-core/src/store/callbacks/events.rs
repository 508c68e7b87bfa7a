//! What is logged about callbacks: gathered while they run, and written by whoever collects.

use tracing::Level;

use super::Callbacks;

/// Up to this many callbacks with the same event are named one by one; more of them share one line.
const NAMED: usize = 20;

/// How many callbacks a line names that more than that share.
const EXAMPLES: usize = 3;

/// Something that happened to a callback and that an operator should know.
pub(super) struct Event {
    pub(super) level: Level,
    /// The same for all callbacks to which this happens.
    pub(super) message: &'static str,
    pub(super) detail: Option<String>,
}

impl Callbacks {
    /// Logs what happened since the last call: a few lines at most, however many callbacks are in trouble.
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
    /// Logs the event. Whoever looks for a panic needs the place in the program; an error says by itself what is wrong.
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

//! Health as JSON, formatted by hand so that programs without JSON need not compile a JSON crate.

use std::fmt::Write;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use meterkit_core::{StoreHealth, json_text};

use super::{Health, TargetError, TargetHealth, TargetKind};
use crate::target::TargetQueue;

impl Health {
    /// Returns the health as a JSON object, for example for an admin page. Members have the names of the fields. Times
    /// are formatted as in RFC 3339, and missing values are `null`.
    ///
    /// ```
    /// use meterkit_core::Registry;
    /// use meterkit_pipeline::Pipeline;
    ///
    /// let pipeline = Pipeline::builder(Registry::new()).expect("nobody else collects from it").start()?;
    /// assert!(pipeline.health().to_json().starts_with(r#"{"is_delivering":true,"targets":[],"#));
    /// # Ok::<(), meterkit_pipeline::StartError>(())
    /// ```
    pub fn to_json(&self) -> String {
        let StoreHealth {
            overflowing,
            near_limit,
            callbacks_in_background,
            name_meetings,
            dropped_values,
            ..
        } = &self.store;
        let mut json = Object::default();
        json.add("is_delivering", self.is_delivering());
        json.add("targets", list(self.targets.iter().map(target)));
        let mut store = Object::default();
        store.add("overflowing", texts(overflowing));
        store.add("near_limit", texts(near_limit));
        store.add("callbacks_in_background", texts(callbacks_in_background));
        store.add("name_meetings", texts(name_meetings));
        store.add("dropped_values", dropped_values);
        json.add("store", store.end());
        json.add("snapshot_age_seconds", or_null(self.snapshot_age.map(|age| age.as_secs_f64())));
        json.add("snapshot_points", self.snapshot_points);
        json.add("settings", texts(&self.settings));
        json.end()
    }
}

fn target(of: &TargetHealth) -> String {
    let mut json = Object::default();
    json.add("name", json_text(&of.name));
    json.add("component", json_text(&of.component));
    json.add("endpoint", json_text(&of.endpoint));
    let kind = match of.kind {
        TargetKind::Push => "push",
        TargetKind::Pull => "pull",
    };
    json.add("kind", json_text(kind));
    json.add("is_failing", of.is_failing());
    json.add("last_success", or_null(of.last_success.map(time)));
    json.add("last_error", or_null(of.last_error.as_ref().map(error)));
    json.add("problem", or_null(of.problem.as_deref().map(json_text)));
    json.add("clock_skew", or_null(of.clock_skew));
    json.add("consecutive_failures", of.consecutive_failures);
    json.add("exported_points", of.exported_points);
    json.add("failed_points", of.failed_points);
    json.add("rejected_points", of.rejected_points);
    json.add("queue", or_null(of.queue.map(queue)));
    json.end()
}

fn error(of: &TargetError) -> String {
    let mut json = Object::default();
    json.add("text", json_text(&of.text));
    json.add("error_type", json_text(&of.cause.error_type()));
    json.add("time", time(of.time));
    json.end()
}

fn queue(of: TargetQueue) -> String {
    let mut json = Object::default();
    json.add("requests", of.requests);
    json.add("bytes", of.bytes);
    json.add("dropped_values", of.dropped_values);
    json.add("is_durable", of.is_durable);
    json.end()
}

fn time(time: SystemTime) -> String {
    json_text(&format_rfc3339_seconds(time).to_string())
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

fn texts(texts: &[String]) -> String {
    list(texts.iter().map(|text| json_text(text)))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A JSON object under construction.
#[derive(Default)]
struct Object(String);

impl Object {
    /// Adds a member whose value is already JSON.
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        let separator = if self.0.is_empty() { '{' } else { ',' };
        // Writing to a `String` cannot fail.
        let _ = write!(self.0, "{separator}\"{name}\":{value}");
    }

    fn end(self) -> String {
        self.0 + "}"
    }
}

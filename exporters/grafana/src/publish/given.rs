//! The dashboard to publish.

use serde_json::{Map, Value};

use super::error::PublishError;
use super::mark;
use super::shown::Shown;

/// A dashboard in Grafana's classic JSON.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) uid: String,
    pub(crate) title: String,
    /// The hash of the content.
    pub(crate) content: String,
    pub(crate) shown: Shown,
    model: Map<String, Value>,
}

impl Given {
    pub(crate) fn read(text: &str) -> Result<Self, PublishError> {
        let bad = |reason: String| PublishError::NotADashboard { reason };
        let model: Value = serde_json::from_str(text)
            .map_err(|error| bad(format!("is not JSON ({error}); pass the JSON of a dashboard")))?;
        let shown = Shown::of(&model);
        let Value::Object(model) = model else {
            return Err(bad("is not a JSON object; pass the JSON of a dashboard".to_owned()));
        };
        if model.contains_key("apiVersion")
            || model.contains_key("spec")
            || model.contains_key("elements")
        {
            let reason = "has a newer schema; pass the classic JSON, which has `panels`";
            return Err(bad(reason.to_owned()));
        }
        let named = |key: &str| {
            let text = model.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned)
                .ok_or_else(|| bad(format!("has no `{key}`; add one, and keep it")))
        };
        let (uid, title) = (named("uid")?, named("title")?);
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if uid.len() > 40 || !uid.chars().all(legal) {
            let reason = format!(
                "has the uid `{uid}`; a uid consists of 1 to 40 letters, digits, `-` and `_`"
            );
            return Err(bad(reason));
        }
        Ok(Self { uid, title, content: mark::content(text), shown, model })
    }

    /// Returns the body of the request that saves the dashboard: as a new one, or in place of exactly `version`.
    pub(crate) fn body(&self, version: Option<i64>, folder: Option<&str>) -> Value {
        let mut model = self.model.clone();
        // `id` and `version` of the Grafana from which the dashboard may have been exported mean nothing here.
        model.insert("id".to_owned(), Value::Null);
        match version {
            Some(version) => model.insert("version".to_owned(), version.into()),
            None => model.remove("version"),
        };
        let mut body = Map::new();
        body.insert("dashboard".to_owned(), model.into());
        body.insert("overwrite".to_owned(), false.into());
        body.insert("message".to_owned(), mark::message(&self.content).into());
        if let Some(folder) = folder {
            body.insert("folderUid".to_owned(), folder.into());
        }
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_error_says_what_cannot_be_published() {
        let long = format!("{{\"uid\": \"{}\", \"title\": \"b\"}}", "a".repeat(41));
        for (text, problem) in [
            ("", "is not JSON ("),
            ("[]", "is not a JSON object"),
            (r#"{"title": "a"}"#, "has no `uid`"),
            (r#"{"uid": "a", "title": ""}"#, "has no `title`"),
            (r#"{"uid": "a/b", "title": "a"}"#, "has the uid `a/b`; a uid consists of"),
            (&long, "1 to 40 letters"),
            (r#"{"apiVersion": "dashboard.grafana.app/v2", "spec": {}}"#, "has a newer schema"),
        ] {
            let error = Given::read(text).expect_err(text).to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_of_another_grafana_are_left_out() {
        let text = r#"{"id": 7, "version": 9, "uid": "a", "title": "b", "panels": []}"#;
        let given = Given::read(text).expect("a dashboard");
        let body = given.body(None, None);
        let model = json!({"id": null, "uid": "a", "title": "b", "panels": []});
        let message = mark::message(&mark::content(text));
        assert_eq!(body, json!({"dashboard": model, "overwrite": false, "message": message}));
        let body = given.body(Some(3), Some("f"));
        assert_eq!((&body["dashboard"]["version"], &body["folderUid"]), (&json!(3), &json!("f")));
    }
}

//! The panels that a dashboard shows, to decide whether it shows more than another one.

use std::collections::BTreeSet;

use serde_json::Value;

/// The panels of a dashboard by title and queries, regardless of position and appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown(BTreeSet<(String, Vec<String>)>);

impl Shown {
    /// Returns the panels of a dashboard in classic JSON.
    pub(crate) fn of(model: &Value) -> Self {
        let mut shown = Self::default();
        shown.add(model);
        shown
    }

    /// Returns whether `other` contains all of these panels and more.
    pub(crate) fn is_less_than(&self, other: &Self) -> bool {
        self.0.len() < other.0.len() && self.0.is_subset(&other.0)
    }

    fn add(&mut self, of: &Value) {
        let panels = of.get("panels").and_then(Value::as_array);
        for panel in panels.into_iter().flatten() {
            // A collapsed row contains its panels.
            self.add(panel);
            let text = |of: &Value, key| of.get(key).and_then(Value::as_str).map(str::to_owned);
            let queries = panel.get("targets").and_then(Value::as_array).into_iter().flatten();
            let queries: Vec<_> = queries.filter_map(|query| text(query, "expr")).collect();
            if !queries.is_empty() {
                self.0.insert((text(panel, "title").unwrap_or_default(), queries));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn panel(title: &str, x: u32) -> Value {
        let targets = json!([{"expr": format!("{title}_total"), "refId": "A"}]);
        json!({"title": title, "gridPos": {"x": x}, "targets": targets})
    }

    fn shown(panels: Value) -> Shown {
        Shown::of(&json!({"uid": "shop", "panels": panels}))
    }

    #[test]
    fn places_rows_and_looks_make_no_difference() {
        let open = shown(json!([{"type": "row", "panels": []}, panel("a", 0), panel("b", 12)]));
        let closed = json!([panel("b", 0), panel("a", 3)]);
        let closed = shown(json!([{"type": "row", "title": "Shop", "panels": closed}]));
        assert_eq!(open, closed);
        assert!(!open.is_less_than(&closed));
    }

    #[test]
    fn less_is_what_the_other_has_too_and_more() {
        let (one, two) =
            (shown(json!([panel("a", 0)])), shown(json!([panel("a", 0), panel("b", 0)])));
        assert!(one.is_less_than(&two) && !two.is_less_than(&one));
        let others = shown(json!([panel("c", 0), panel("b", 0)]));
        assert!(!one.is_less_than(&others), "one panel is missing");
        let mut asked_otherwise = panel("a", 0);
        asked_otherwise["targets"][0]["expr"] = json!("a");
        assert!(!shown(json!([asked_otherwise])).is_less_than(&two));
        assert!(Shown::of(&json!(null)).is_less_than(&one));
    }
}

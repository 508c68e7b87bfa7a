//! Keys of labels and attributes.

/// Returns why `key` cannot be a label key, or `None` if it can.
pub fn problem(key: &str) -> Option<&'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if key.is_empty() {
        Some("is empty")
    } else if key == "le" || key == "quantile" {
        Some("is reserved for the buckets and quantiles of Prometheus")
    } else if key == "otel.metric.overflow" || key == "otel_metric_overflow" {
        Some("is reserved for the overflow series of a cardinality limit")
    } else if key.starts_with("__") {
        Some("begins with `__`, which is reserved for Prometheus")
    } else if key.starts_with("otel_scope_") || key.starts_with("otel.scope.") {
        Some("is reserved for the labels that name the instrumentation scope")
    } else if !key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        Some("must begin with a letter")
    } else if !key.chars().all(legal) {
        Some("may only hold ASCII letters, digits, `_` and `.`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn attribute_names_of_opentelemetry_are_keys() {
        for key in ["kind", "http.route", "_internal", "a1", "HTTP.method"] {
            assert_eq!(problem(key), None, "{key}");
        }
    }

    #[test]
    fn each_invalid_key_has_a_reason() {
        for (key, words) in [
            ("", "empty"),
            ("le", "buckets"),
            ("quantile", "quantiles"),
            ("__name__", "Prometheus"),
            ("otel_scope_name", "scope"),
            ("otel.metric.overflow", "limit"),
            ("otel.scope.name", "scope"),
            ("1st", "begin with a letter"),
            ("a-b", "may only hold"),
        ] {
            let text = problem(key).unwrap_or_else(|| panic!("{key} passed"));
            assert!(text.contains(words), "{key}: {text}");
        }
    }
}

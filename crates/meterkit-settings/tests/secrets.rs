//! Secrets from files and variables are never shown.

use crate::reading::{bad_with, exporter, good_with};

const VARIABLES: [(&str, &str); 1] = [("KEY", "hunter2")];

#[test]
fn headers_and_plug_ins_are_hidden_in_debug() {
    let files = [
        "          otlp_http: {headers: [{name: api-key, value: hunter2}]}\n",
        "          otlp_http: {headers_list: 'api-key=${KEY}'}\n",
        "          otlp_http: {endpoint: 'https://user:hunter2@host/v1/metrics?key=hunter2'}\n",
        "          datadog: {api_key: '${KEY}', list: [hunter2], nested: {a: hunter2}}\n",
    ];
    for text in files {
        let shown = format!("{:?}", good_with(&exporter(text), &VARIABLES));
        assert!(!shown.contains("hunter2"), "{shown}");
        let names = ["headers", "endpoint", "api_key"];
        assert!(names.iter().any(|name| shown.contains(name)), "{shown}");
    }
}

#[test]
fn errors_show_neither_variables_nor_headers_nor_plug_ins() {
    let files = [
        "          otlp_http: '${KEY}'\n",
        "          datadog: hunter2\n",
        "          datadog: ${KEY}\n",
        "          console: {color: hunter2}\n",
        "          console: {temporality_preference: '${KEY}'}\n",
        "          console: ${1KEY:-hunter2}\n",
    ];
    for text in files {
        let error = bad_with(&exporter(text), &VARIABLES);
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(!shown.contains("hunter2") && !debug.contains("hunter2"), "{text}: {shown}");
    }
}

/// A number in place of text is the most common mistake with keys.
#[test]
fn a_secret_that_looks_like_a_number_is_not_shown_either() {
    let files = ["          datadog: 8675309\n", "          otlp_http: 8675309\n"];
    for text in files {
        let error = bad_with(&exporter(text), &[]);
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(!shown.contains("8675309") && !debug.contains("8675309"), "{text}: {shown}");
        assert!(shown.contains("a hidden value"), "{shown}");
    }
}

use Escaping::{AllowUtf8, Dots, Underscores, Values};
use Format::{OldOpenMetrics, OpenMetrics, Protobuf, QuotedText, Text};

use super::*;

#[track_caller]
fn check(accept: &str, expected: (Format, Escaping)) {
    assert_eq!(negotiated_in([accept].into_iter()), expected, "{accept}");
}

#[test]
fn prometheus_3_gets_what_its_configuration_prefers() {
    for (accept, expected) in [
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            (OpenMetrics, AllowUtf8),
        ),
        // Prometheus with native histograms or start timestamps enabled.
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            (Protobuf, Underscores),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
             escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1",
            (Protobuf, AllowUtf8),
        ),
        // Prometheus with `metric_name_escaping_scheme`.
        (
            "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=underscores;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            (OpenMetrics, Underscores),
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=values;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=values;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            (OpenMetrics, Values),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
             escaping=dots;q=0.6,application/openmetrics-text;version=1.0.0;escaping=dots;q=0.5,*/*;q=0.1",
            (Protobuf, Dots),
        ),
        // Prometheus with `metric_name_validation_scheme: legacy`.
        (
            "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            (OpenMetrics, Underscores),
        ),
        // Prometheus with `scrape_protocols` in other orders.
        (
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            (QuotedText, AllowUtf8),
        ),
        ("text/plain;version=0.0.4;q=0.2,*/*;q=0.1", (Text, Underscores)),
        (
            "text/plain;version=0.0.4;q=0.4,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.2,*/*;q=0.1",
            (Text, Underscores),
        ),
        (
            "application/openmetrics-text;version=0.0.1;q=0.3,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.2,*/*;q=0.1",
            (OldOpenMetrics, Underscores),
        ),
        // Beta versions of Prometheus 3 sent another parameter.
        (
            "application/openmetrics-text;version=1.0.0;validchars=utf8;q=0.5,text/plain;version=0.0.4;q=0.2",
            (OpenMetrics, Underscores),
        ),
    ] {
        check(accept, expected);
    }
}

#[test]
fn other_scrapers_get_what_they_ask_for() {
    for (accept, expected) in [
        // Prometheus 2, and the Collector's receiver and Alloy, which contain it.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            (OpenMetrics, Underscores),
        ),
        (
            "application/openmetrics-text; version=1.0.0; charset=utf-8,\
             application/openmetrics-text; version=0.0.1; q=0.75,text/plain; version=0.0.4; q=0.5,*/*; q=0.1",
            (OpenMetrics, Underscores),
        ),
        (
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            (OldOpenMetrics, Underscores),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
             application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            (Protobuf, Underscores),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            (Protobuf, Underscores),
        ),
        // vmagent.
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", (Text, Underscores)),
        // Datadog's OpenMetrics check, with and without `use_latest_spec`.
        ("text/plain", (Text, Underscores)),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1",
            (OpenMetrics, Underscores),
        ),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            (OpenMetrics, Underscores),
        ),
        // Telegraf.
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             text/plain;version=0.0.4;q=0.3",
            (Protobuf, Underscores),
        ),
        // curl, Firefox and Chromium.
        ("*/*", (Text, Underscores)),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", (Text, Underscores)),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
             application/signed-exchange;v=b3;q=0.7",
            (Text, Underscores),
        ),
    ] {
        check(accept, expected);
    }
}

#[test]
fn unsupported_formats_get_the_oldest_text() {
    for accept in [
        "",
        "text/*",
        "application/*",
        "application/json",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;version=2.0.0;escaping=allow-utf-8,*/*;q=0.1",
        "application/openmetrics-text;version=",
        "text/plain;version=2.0.0",
        "text/plain;version=0.0.40",
        "application/vnd.google.protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text",
        "application/vnd.google.protobuf;proto=io.prometheus.write.v2.Request;encoding=delimited",
        "text/plain;q=0",
        "application/openmetrics-text;version=1.0.0;q=0",
        "application/openmetrics-text;version=1.0.0;q=0.0001",
    ] {
        check(accept, (Text, Underscores));
    }
}

#[test]
fn qualities_decide_and_among_equals_the_order_or_the_newer_version() {
    const OLD: &str = "application/openmetrics-text";
    const NEW: &str = "application/openmetrics-text;version=1.0.0";
    const TEXT: &str = "text/plain;version=0.0.4";
    for (accept, expected) in [
        (format!("{TEXT},{NEW}"), Text),
        (format!("{NEW},{TEXT}"), OpenMetrics),
        (format!("{TEXT};q=0.5,{NEW};q=0.501"), OpenMetrics),
        (format!("{TEXT};q=0.9,{NEW};q=0.10"), Text),
        (format!("{OLD},{NEW}"), OpenMetrics),
        (format!("{NEW},{OLD}"), OpenMetrics),
        (format!("{OLD},{TEXT},{NEW}"), OpenMetrics),
        (format!("{NEW};q=0,{TEXT};q=0.1"), Text),
        (format!("{NEW};q=much,{TEXT};q=0.1"), Text),
        (format!("*/*,{NEW};q=0.1"), OpenMetrics),
        (format!("text/html,{NEW};q=0.1,{TEXT};q=0.05"), OpenMetrics),
    ] {
        assert_eq!(negotiated_in([&*accept].into_iter()).0, expected, "{accept}");
    }
}

#[test]
fn parameters_come_in_any_case_order_and_quotes() {
    for (accept, expected) in [
        (
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; Escaping=\"Allow-UTF-8\"; Q=0.1",
            (OpenMetrics, AllowUtf8),
        ),
        ("application/openmetrics-text;q=0.1;escaping=dots;version=1.0.0", (OpenMetrics, Dots)),
        (
            "application/vnd.google.protobuf;encoding=delimited;q=1.000;\
             proto=\"io.prometheus.client.MetricFamily\";ESCAPING=values",
            (Protobuf, Values),
        ),
        ("text/plain;x=\",\";version=1.0.0;escaping=values", (QuotedText, Values)),
        ("text/plain ; version = 1.0.0 ; escaping = values", (QuotedText, Values)),
    ] {
        check(accept, expected);
    }
}

#[test]
fn unsupported_and_unknown_schemes_mean_underscores() {
    for (accept, expected) in [
        ("text/plain;version=0.0.4;escaping=allow-utf-8", (Text, Underscores)),
        ("text/plain;version=0.0.4;escaping=values", (Text, Values)),
        ("text/plain;version=0.0.4;escaping=dots", (Text, Dots)),
        ("text/plain;escaping=dots", (Text, Dots)),
        ("application/openmetrics-text;escaping=allow-utf-8", (OldOpenMetrics, Underscores)),
        ("application/openmetrics-text;version=0.0.1;escaping=values", (OldOpenMetrics, Values)),
        ("text/plain;version=1.0.0;escaping=none", (QuotedText, Underscores)),
        ("text/plain;version=1.0.0", (QuotedText, Underscores)),
        // The scheme of the chosen media range applies.
        (
            "application/json;escaping=values,application/openmetrics-text;version=1.0.0;q=0.5",
            (OpenMetrics, Underscores),
        ),
    ] {
        check(accept, expected);
    }
}

#[test]
fn only_clients_that_ask_for_all_characters_in_text_get_them() {
    for (accept, expected) in [
        ("text/plain;version=1.0.0;escaping=allow-utf-8", true),
        ("Text/Plain; Version=1.0.0; Escaping=Allow-UTF-8; Q=0.1", true),
        ("text/plain; version=\"1.0.0\"; escaping=\"allow-utf-8\"", true),
        ("text/plain;escaping=allow-utf-8", true),
        (" , text/html, text/plain ;version=1.0.0 ; escaping=allow-utf-8 ;q=1.000, */*;q=1", true),
        (
            "text/plain;version=0.0.4;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5",
            true,
        ),
        ("", false),
        ("*/*", false),
        ("text/*", false),
        ("text/plain", false),
        ("text/html, */*;q=0.8", false),
        ("text/plain;version=0.0.4;escaping=allow-utf-8", false),
        ("text/plain;version=2.0.0;escaping=allow-utf-8", false),
        ("text/plain;version=1.0.0", false),
        ("text/plain;version=1.0.0;escaping=underscores", false),
        ("text/plain;version=1.0.0;escaping=dots", false),
        ("text/plain;version=1.0.0;escaping=values", false),
        ("text/plain;version=1.0.0;escaping=", false),
        ("text/plain;version=1.0.0;allow-utf-8", false),
        ("*/*;escaping=allow-utf-8", false),
        ("application/json;escaping=allow-utf-8", false),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0", false),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.000", false),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=much", false),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=-1", false),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=NaN", false),
        ("text/plain;version=1.0.0;escaping=allow-utf-8;q=2", false),
        (
            "text/plain;version=0.0.4;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4",
            false,
        ),
        ("text/html;x=\"a,text/plain;version=1.0.0;escaping=allow-utf-8\"", false),
        ("text/html;x=\"\\\",text/plain;escaping=allow-utf-8\"", false),
        (";;;=,,;q=;\"", false),
    ] {
        let (_, escaping) = negotiated_in([accept].into_iter());
        assert_eq!(escaping == AllowUtf8, expected, "{accept}");
    }
}

#[test]
fn several_headers_form_one_list_without_values_that_are_not_text() {
    let mut headers = HeaderMap::new();
    assert_eq!(negotiated(&headers), (Text, Underscores));
    headers.append(ACCEPT, "text/plain;version=0.0.4;q=0.3".parse().unwrap());
    headers.append(ACCEPT, http::HeaderValue::from_bytes(b"text/\xff").unwrap());
    assert_eq!(negotiated(&headers), (Text, Underscores));
    headers.append(ACCEPT, "text/plain;version=1.0.0;escaping=allow-utf-8".parse().unwrap());
    assert_eq!(negotiated(&headers), (QuotedText, AllowUtf8));
}

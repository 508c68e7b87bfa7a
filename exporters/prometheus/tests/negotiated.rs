//! The `Accept` header determines the content type, and the endpoint and the function return the same body for it.

use crate::client::{Connection, scrape};
use crate::served::{LONG, Served};
use meterkit_core::Registry;
use meterkit_prometheus::{Escaping, Format, Scrape, TEXT_FORMAT, UTF8_TEXT_FORMAT};

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                        encoding=delimited";

fn registry() -> Registry {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    registry.semconv("s").counter::<u64>("http.hits").build().unwrap().add(7);
    registry
}

/// Returns values of `Accept`, with the expected format and escaping scheme.
fn cases() -> Vec<(String, Format, Escaping)> {
    let mut cases = vec![
        ("*/*".to_owned(), Format::Text, Escaping::Underscores),
        ("application/json".to_owned(), Format::Text, Escaping::Underscores),
        (
            "application/openmetrics-text;version=0.0.1".to_owned(),
            Format::OldOpenMetrics,
            Escaping::Underscores,
        ),
    ];
    for escaping in Escaping::ALL {
        for (accept, format) in [
            (OPEN_METRICS, Format::OpenMetrics),
            ("text/plain;version=1.0.0", Format::QuotedText),
            (PROTOBUF, Format::Protobuf),
        ] {
            let accept = format!("{accept};escaping={};q=0.6,*/*;q=0.1", escaping.as_str());
            cases.push((accept, format, escaping));
        }
    }
    cases
}

#[tokio::test]
async fn the_endpoint_and_the_function_return_the_accepted_format() {
    let served = Served::start_sharing(&registry(), LONG, |server| server);
    let mut connection = Connection::open(served.address).await;
    let function = Scrape::new(served.pipeline.source());
    for (accept, format, escaping) in cases() {
        let answer = connection.get_with(&format!("Accept: {accept}\r\n")).await.unwrap();
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(answer.headers["content-type"], format.content_type(escaping), "{accept}");
        assert_eq!(answer.headers["vary"], "accept, accept-encoding");
        let (content_type, body) = function.text_for(&accept).await.unwrap();
        assert_eq!(content_type, format.content_type(escaping));
        assert_eq!(answer.body, body, "{accept}");
    }
    served.stop().await;
}

#[test]
fn content_types_are_those_of_prometheus() {
    let protobuf = PROTOBUF.replace(';', "; ");
    for (format, escaping, expected) in [
        (Format::Text, Escaping::Underscores, TEXT_FORMAT),
        (
            Format::Text,
            Escaping::Values,
            "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        ),
        (Format::QuotedText, Escaping::AllowUtf8, UTF8_TEXT_FORMAT),
        (
            Format::QuotedText,
            Escaping::Underscores,
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        (
            Format::OldOpenMetrics,
            Escaping::Underscores,
            "application/openmetrics-text; version=0.0.1; charset=utf-8",
        ),
        (
            Format::OldOpenMetrics,
            Escaping::Dots,
            "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=dots",
        ),
        (
            Format::OpenMetrics,
            Escaping::Dots,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots",
        ),
        (Format::Protobuf, Escaping::AllowUtf8, &format!("{protobuf}; escaping=allow-utf-8")),
    ] {
        assert_eq!(format.content_type(escaping), expected);
    }
}

#[tokio::test]
async fn several_headers_form_one_list_and_no_header_means_the_oldest_text() {
    let served = Served::start(&registry(), |server| server);
    let mut connection = Connection::open(served.address).await;
    let lines = "Accept: text/plain;version=0.0.4;q=0.5\r\n\
                 accept: text/plain;version=1.0.0;escaping=allow-utf-8\r\n";
    let answer = connection.get_with(lines).await.unwrap();
    assert_eq!(answer.headers["content-type"], UTF8_TEXT_FORMAT);
    let answer = scrape(served.address).await.unwrap();
    assert_eq!(answer.headers["content-type"], TEXT_FORMAT);
    served.stop().await;
}

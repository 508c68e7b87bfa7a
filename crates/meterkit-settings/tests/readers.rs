//! Readers and their exporters in files.

use std::time::Duration;

use meterkit_core::{Kind, Temporality};
use meterkit_pipeline::KeyFilter;
use meterkit_rules::prometheus_name::Translation;
use meterkit_settings::SectionValue;
use meterkit_settings::file::{PullExporter, PushExporter, ReaderConfig};

use crate::reading::{
    exporter, good, good_with, meter_provider, periodic, provider, pushed, unused,
};

#[test]
fn a_reader_needs_its_exporter_alone() {
    let reader = periodic(good(&exporter("          console:\n")));
    assert!(
        matches!(&reader.exporter, PushExporter::Console(console) if console.temporality.is_none())
    );
    assert_eq!((reader.interval, reader.timeout), (None, None));
    assert_eq!(reader.cardinality_limits.of(Kind::Counter), None);
    assert_eq!((reader.line, &*reader.path), (4, "meter_provider.readers[0].periodic"));
}

#[test]
fn intervals_are_milliseconds_and_no_timeout_is_for_ever() {
    let reader = |times: &str| {
        periodic(good(&provider(&format!(
            "  readers:\n    - periodic: {{{times}, exporter: {{console: }}}}\n"
        ))))
    };
    let both = reader("interval: 1500, timeout: 0");
    assert_eq!(both.interval, Some(Duration::from_millis(1500)));
    assert_eq!(both.timeout, Some(Duration::MAX));
    let neither = reader("interval: null, timeout: ");
    assert_eq!((neither.interval, neither.timeout), (None, None));
    let hexadecimal = reader("interval: 0x10, timeout: 2.0");
    assert_eq!(hexadecimal.interval, Some(Duration::from_millis(16)));
    assert_eq!(hexadecimal.timeout, Some(Duration::from_millis(2)));
}

#[test]
fn a_kind_has_its_own_limit_or_that_of_all() {
    let file = good(&provider(
        "  readers:
    - periodic:
        cardinality_limits:
          default: 100
          histogram: 7
          observable_gauge:
        exporter:
          console:
",
    ));
    let limits = periodic(file).cardinality_limits;
    assert_eq!(limits.default_limit(), Some(100));
    assert_eq!(limits.of(Kind::Histogram), Some(7));
    assert_eq!(limits.of(Kind::ObservableGauge), Some(100));
}

#[test]
fn prometheus_is_known_by_its_name_with_and_without_development() {
    for name in ["prometheus/development", "prometheus"] {
        let file = good(&provider(&format!(
            "  readers:
    - pull:
        cardinality_limits: {{default: 5}}
        exporter:
          {name}:
            host: 0.0.0.0
            port: 9999
            scope_info_enabled: true
            translation_strategy: underscore_escaping_with_suffixes
"
        )));
        assert_eq!(unused(&file), []);
        let [ReaderConfig::Pull(reader)] = &*meter_provider(file).readers else {
            panic!("one pull reader");
        };
        let PullExporter::Prometheus(prometheus) = &reader.exporter else {
            panic!("a Prometheus exporter");
        };
        assert_eq!(prometheus.host.as_deref(), Some("0.0.0.0"));
        assert_eq!(prometheus.port, Some(9999));
        let expected = Translation::UnderscoreEscapingWithSuffixes;
        assert_eq!(prometheus.translation, Some(expected));
        assert_eq!(reader.cardinality_limits.of(Kind::Gauge), Some(5));
    }
}

#[test]
fn prometheus_has_a_translation_strategy_by_the_words_of_the_schema() {
    for (word, expected) in [
        ("underscore_escaping_with_suffixes", Some(Translation::UnderscoreEscapingWithSuffixes)),
        (
            "underscore_escaping_without_suffixes/development",
            Some(Translation::UnderscoreEscapingWithoutSuffixes),
        ),
        (
            "no_utf8_escaping_with_suffixes/development",
            Some(Translation::NoUtf8EscapingWithSuffixes),
        ),
        ("no_translation/development", Some(Translation::NoTranslation)),
        ("", None),
    ] {
        let file = good(&provider(&format!(
            "  readers:
    - pull:
        exporter:
          prometheus/development:
            translation_strategy: {word}
"
        )));
        assert_eq!(unused(&file), []);
        let [ReaderConfig::Pull(reader)] = &*meter_provider(file).readers else {
            panic!("one pull reader");
        };
        let PullExporter::Prometheus(prometheus) = &reader.exporter else {
            panic!("a Prometheus exporter");
        };
        assert_eq!(prometheus.translation, expected, "{word}");
    }
}

#[test]
fn labels_and_target_info_of_prometheus_are_switched_in_the_words_of_each_version() {
    let filter = KeyFilter {
        included: Some(vec!["service.*".into()]),
        excluded: vec!["service.version".into()],
    };
    for (text, scope_info, target_info, constant) in [
        ("{}", None, None, None),
        ("{scope_info_enabled: false}", Some(false), None, None),
        ("{scope_info_enabled: true}", Some(true), None, None),
        ("{without_scope_info: true}", Some(false), None, None),
        ("{without_scope_info: false}", Some(true), None, None),
        ("{target_info_enabled/development: false}", None, Some(false), None),
        ("{without_target_info/development: true}", None, Some(false), None),
        (
            "{resource_constant_labels: {included: [service.*], excluded: [service.version]}}",
            None,
            None,
            Some(filter.clone()),
        ),
        (
            "{with_resource_constant_labels: {included: [service.*], excluded: [service.version]}}",
            None,
            None,
            Some(filter),
        ),
    ] {
        let file = good(&provider(&format!(
            "  readers:
    - pull:
        exporter:
          prometheus/development: {text}
"
        )));
        assert_eq!(unused(&file), [], "{text}");
        let [ReaderConfig::Pull(reader)] = &*meter_provider(file).readers else {
            panic!("one pull reader");
        };
        let PullExporter::Prometheus(prometheus) = &reader.exporter else {
            panic!("a Prometheus exporter");
        };
        assert_eq!(prometheus.scope_info, scope_info, "{text}");
        assert_eq!(prometheus.target_info, target_info, "{text}");
        assert_eq!(prometheus.resource_constant_labels, constant, "{text}");
    }
}

#[test]
fn exporters_that_another_crate_reads_are_kept_as_they_stand() {
    let file = good_with(
        &exporter(
            "          datadog:
            api_key: ${DD_API_KEY}
            site: datadoghq.eu
            tags: [a, 2, 1.5, true, ~]
            proxy:
              port: 3128
",
        ),
        &[("DD_API_KEY", "0123abc")],
    );
    let PushExporter::Plugin(plugin) = pushed(file) else {
        panic!("a plug-in");
    };
    assert_eq!(plugin.name, "datadog");
    let key = plugin.properties.get("api_key").expect("the key");
    assert_eq!(key.value, SectionValue::Text("0123abc".to_owned()));
    let at = "meter_provider.readers[0].periodic.exporter.datadog";
    assert_eq!((key.position.line, &*key.position.path), (7, &*format!("{at}.api_key")));
    let SectionValue::List(tags) = &plugin.properties.get("tags").expect("tags").value else {
        panic!("a list");
    };
    let tags: Vec<_> = tags.iter().map(|tag| tag.value.clone()).collect();
    let text = SectionValue::Text("a".to_owned());
    let others = [
        SectionValue::Int(2),
        SectionValue::Float(1.5),
        SectionValue::Bool(true),
        SectionValue::Null,
    ];
    assert_eq!((&tags[0], &tags[1..]), (&text, &others[..]));
    let port = plugin.properties.get("proxy").and_then(|proxy| proxy.get("port"));
    let problem = port.expect("a port").problem("is closed");
    assert_eq!(
        problem.to_string(),
        format!("OTEL_CONFIG_FILE: line 11, {at}.proxy.port: is closed")
    );
}

#[test]
fn a_plug_in_may_have_no_properties() {
    let PushExporter::Plugin(plugin) = pushed(good(&exporter("          grafana:\n"))) else {
        panic!("a plug-in");
    };
    assert_eq!((&*plugin.name, &plugin.properties.value), ("grafana", &SectionValue::Null));
}

#[test]
fn there_may_be_several_readers() {
    let file = good(&provider(
        "  readers:
    - pull: {exporter: {prometheus/development: }}
    - periodic: {exporter: {otlp_http: }}
    - periodic: {exporter: {console: {temporality_preference: delta}}}
",
    ));
    let readers = meter_provider(file).readers;
    assert!(matches!(
        &*readers,
        [ReaderConfig::Pull(_), ReaderConfig::Periodic(_), ReaderConfig::Periodic(last)]
            if matches!(&last.exporter, PushExporter::Console(console)
                if console.temporality == Some(Temporality::Delta))
    ));
}

#[test]
fn low_memory_leaves_observable_counters_cumulative() {
    let (delta, cumulative) = (Temporality::Delta, Temporality::Cumulative);
    for (preference, expected) in [
        ("cumulative", (Some(cumulative), None)),
        ("delta", (Some(delta), None)),
        ("low_memory", (Some(delta), Some(cumulative))),
    ] {
        let file = good(&provider(&format!(
            "  readers: [{{periodic: {{exporter: {{console: {{temporality_preference: {preference}}}}}}}}}]\n"
        )));
        let readers = meter_provider(file).readers;
        assert!(matches!(
            &*readers,
            [ReaderConfig::Periodic(reader)]
                if matches!(&reader.exporter, PushExporter::Console(console)
                    if (console.temporality, console.observed_temporality) == expected)
        ));
    }
}

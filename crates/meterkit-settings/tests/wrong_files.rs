//! Invalid files: all problems are reported together, each with its line and path.

use crate::reading::{bad, exporter, places, provider, views};

/// Asserts that a file has exactly one problem, with this line, this path below `prefix` and these words in its reason.
fn assert_one(file: &str, line: usize, path: &str, words: &str) {
    let error = bad(file);
    assert_eq!(places(&error), [(line, path)], "{error}\nin\n{file}");
    let reason = &error.problems()[0].reason;
    assert!(reason.contains(words), "`{reason}` does not say `{words}`\nin\n{file}");
}

#[test]
fn the_top_of_a_file() {
    let table = [
        ("", 1, "", "is empty; begin with `file_format: \"1.1\"`"),
        ("# nothing\n", 1, "", "is empty"),
        ("disabled: true\n", 1, "", "has no `file_format`; add it"),
        ("- file_format: 1.0\n", 1, "", "is a list; write a mapping"),
        ("just text\n", 1, "", "`just text`; write a mapping"),
        ("\n\nfile_format: \"0.4\"\n", 3, "file_format", "`0.4` is not supported; write \"1.1\""),
        ("file_format: 2.0\n", 1, "file_format", "`2.0` is not supported"),
        ("file_format: 1\n", 1, "file_format", "`1` is not a format version"),
        ("file_format:\n", 1, "file_format", "null is not a format version"),
        ("file_format: [1]\n", 1, "file_format", "a list is not a format version"),
        ("file_format: 1.0\ndisabled: yes\n", 2, "disabled", "`yes` is not a boolean"),
        ("file_format: 1.0\nmeter_provider:\n", 2, "meter_provider", "is null; write a mapping"),
        ("file_format: 1.0\n---\nfile_format: 1.0\n", 2, "", "a second document begins here"),
        ("file_format: 1.0\na: 1\na: 2\n", 3, "a", "is defined twice, first on line 2"),
        ("file_format: 1.0\na: [1,\n", 3, "a[1]", "is not valid YAML"),
        ("file_format: 1.0\na: \"1\n", 2, "a", "is not valid YAML"),
        ("file_format: 1.0\na: *nobody\n", 2, "a", "is not valid YAML"),
        ("file_format: 1.0\na: !mine 1\n", 2, "a", "tag `!mine` does not fit here"),
        ("file_format: 1.0\na: !!int one\n", 2, "a", "tag `!!int` does not fit here"),
        ("file_format: 1.0\n? [a]\n: b\n", 2, "", "a key must be text"),
    ];
    for (file, line, path, words) in table {
        assert_one(file, line, path, words);
    }
}

#[test]
fn the_resource() {
    let table = [
        ("  attributes: {a: b}\n", 3, "attributes", "is a mapping; write a list"),
        ("  attributes: []\n", 3, "attributes", "is an empty list"),
        ("  atributes: []\n", 3, "atributes", "is unknown; write `attributes`"),
        ("  attributes:\n    - name: a\n", 4, "attributes[0]", "has no `value`; add it"),
        ("  attributes:\n    - value: a\n", 4, "attributes[0]", "has no `name`; add it"),
        (
            "  attributes:\n    - name: a\n      value: 1\n",
            5,
            "attributes[0].value",
            "`1` is a number, not text; put it in quotes",
        ),
        (
            "  attributes:\n    - {name: a, value: 1.5, type: int}\n",
            4,
            "attributes[0].value",
            "`1.5` is not valid; write a whole number of 64 bits",
        ),
        (
            "  attributes:\n    - {name: a, value: 9223372036854775808, type: int}\n",
            4,
            "attributes[0].value",
            "is not valid; write a whole number of 64 bits",
        ),
        (
            "  attributes:\n    - {name: a, value: [1, x], type: int_array}\n",
            4,
            "attributes[0].value[1]",
            "`x` is not valid",
        ),
        (
            "  attributes:\n    - {name: a, value: [true, ~], type: bool_array}\n",
            4,
            "attributes[0].value[1]",
            "has no value; write one",
        ),
        (
            "  attributes:\n    - {name: a, value: x, type: text}\n",
            4,
            "attributes[0].type",
            "`text` is unknown; write `string` or `bool`",
        ),
        (
            "  attributes:\n    - {name: '', value: x}\n",
            4,
            "attributes[0].name",
            "is empty; write a key, for example `service.name`",
        ),
        ("  attributes_list: a=1,b\n", 3, "attributes_list", "entry 2 is not `key=value`"),
        ("  attributes_list: a=%ff\n", 3, "attributes_list", "entry 1 is not UTF-8"),
        ("  schema_url: 5\n", 3, "schema_url", "`5` is a number, not text"),
        (
            "  detection/development:\n    detectors:\n      - {host: , process: }\n",
            5,
            "detection/development.detectors[0]",
            "has 2 entries; write one, for example `host:`",
        ),
        (
            "  detection/development: {attributes: {includes: [a]}}\n",
            3,
            "detection/development.attributes.includes",
            "is unknown; write `included`",
        ),
    ];
    for (text, line, path, words) in table {
        let file = format!("file_format: \"1.1\"\nresource:\n{text}");
        assert_one(&file, line, &format!("resource.{path}"), words);
    }
}

#[test]
fn readers() {
    let table = [
        ("  views: [{selector: {}, stream: {}}]\n", 2, "", "has no `readers`; add it"),
        ("  readers: []\n", 3, ".readers", "is an empty list"),
        ("  readers:\n", 3, ".readers", "is null; write a list"),
        (
            "  readers: [{}]\n",
            3,
            ".readers[0]",
            "has 0 entries; write one, for example `periodic:`",
        ),
        (
            "  readers: [{push: {}}]\n",
            3,
            ".readers[0].push",
            "is not a reader; write `periodic` or `pull`",
        ),
        ("  readers: [{periodic: }]\n", 3, ".readers[0].periodic", "is null; write a mapping"),
        ("  readers: [{pull: {}}]\n", 3, ".readers[0].pull", "has no `exporter`; add it"),
    ];
    for (text, line, path, words) in table {
        assert_one(&provider(text), line, &format!("meter_provider{path}"), words);
    }
}

#[test]
fn problems_in_periodic_readers() {
    let table = [
        (
            "interval: 0",
            "interval",
            "`0` is not valid; write a whole number of milliseconds, 1 or more",
        ),
        ("interval: -5", "interval", "`-5` is not valid"),
        ("interval: 10s", "interval", "`10s` is not valid"),
        ("interval: \"1000\"", "interval", "`1000` is not valid; write a whole number"),
        ("interval: 0.5", "interval", "`0.5` is not valid"),
        ("interval: .inf", "interval", "`.inf` is not valid"),
        ("interval: 99999999999999999999", "interval", "is not valid"),
        ("timeout: -1", "timeout", "`-1` is not valid; write a whole number of milliseconds"),
        ("intervall: 5", "intervall", "is unknown; write `interval`"),
        ("color: red", "color", "is unknown; the known keys are `interval`, `timeout`, `exporter`"),
        ("cardinality_limits: ", "cardinality_limits", "is null; write a mapping"),
        (
            "cardinality_limits: {counter: 0}",
            "cardinality_limits.counter",
            "write a whole number, 1 or more",
        ),
        ("cardinality_limits: {counters: 5}", "cardinality_limits.counters", "write `counter`"),
        ("cardinality_limits: [1]", "cardinality_limits", "is a list; write a mapping"),
    ];
    for (text, path, words) in table {
        let file = provider(&format!(
            "  readers:\n    - periodic:\n        exporter: {{console: }}\n        {text}\n"
        ));
        assert_one(&file, 6, &format!("meter_provider.readers[0].periodic.{path}"), words);
    }
}

#[test]
fn exporters() {
    let table = [
        ("prometheus: ", "prometheus", "is a pull exporter; put it below `pull`"),
        ("console: 5", "console", "is `5`; write a mapping"),
        ("console: {color: red}", "console.color", "is unknown"),
        (
            "console: {temporality_preference: deltas}",
            "console.temporality_preference",
            "write `cumulative` or `delta` or `low_memory`",
        ),
        ("datadog: [1]", "datadog", "is a list; write a mapping"),
        ("otlp_http: [1]", "otlp_http", "is a list; write a mapping"),
    ];
    for (text, path, words) in table {
        let file = exporter(&format!("          {text}\n"));
        assert_one(&file, 6, &format!("meter_provider.readers[0].periodic.exporter.{path}"), words);
    }
}

#[test]
fn problems_in_pull_readers() {
    let table = [
        ("console: ", "console", "is a push exporter; put it below `periodic`"),
        (
            "prometheus/development: {port: 65536}",
            "prometheus/development.port",
            "a port from 0 to 65535",
        ),
        (
            "prometheus/development: {host: 1}",
            "prometheus/development.host",
            "is a number, not text",
        ),
        (
            "prometheus/development: {translation_strategy: none}",
            "prometheus/development.translation_strategy",
            "is unknown",
        ),
        (
            "prometheus/development: {scope_info_enabled: 1}",
            "prometheus/development.scope_info_enabled",
            "is not a boolean",
        ),
        (
            "prometheus/development: {resource_constant_labels: {included: []}}",
            "prometheus/development.resource_constant_labels.included",
            "is an empty list",
        ),
    ];
    for (text, path, words) in table {
        let file =
            provider(&format!("  readers:\n    - pull:\n        exporter:\n          {text}\n"));
        assert_one(&file, 6, &format!("meter_provider.readers[0].pull.exporter.{path}"), words);
    }
}

#[test]
fn views_of_metrics() {
    let table = [
        ("{selector: {}}", "", "has no `stream`; add it"),
        ("{stream: {}}", "", "has no `selector`; add it"),
        ("{selector: , stream: {}}", ".selector", "is null; write a mapping"),
        (
            "{selector: {name: a}, stream: {}}",
            ".selector.name",
            "is unknown; the known keys are `instrument_name`, `instrument_type`",
        ),
        (
            "{selector: {instrument_type: timer}, stream: {}}",
            ".selector.instrument_type",
            "`timer` is unknown; write `counter`",
        ),
        (
            "{selector: {meter_version: 2.0}, stream: {}}",
            ".selector.meter_version",
            "`2.0` is a number, not text; put it in quotes",
        ),
        (
            "{selector: {}, stream: {name: x}}",
            ".stream",
            "write an `instrument_name` without wildcards",
        ),
        (
            "{selector: {instrument_name: a.*}, stream: {name: x}}",
            ".stream",
            "write an `instrument_name` without wildcards",
        ),
        (
            "{selector: {}, stream: {aggregation: drop}}",
            ".stream.aggregation",
            "is `drop`; write a mapping",
        ),
        (
            "{selector: {}, stream: {aggregation: {drop: , sum: }}}",
            ".stream.aggregation",
            "has 2 entries",
        ),
        (
            "{selector: {}, stream: {aggregation: {drop: {all: true}}}}",
            ".stream.aggregation.drop.all",
            "is unknown; remove it",
        ),
        (
            "{selector: {}, stream: {aggregation: {mean: }}}",
            ".stream.aggregation.mean",
            "is not an aggregation; write `default`",
        ),
        (
            "{selector: {}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [1, 1]}}}}",
            ".stream.aggregation.explicit_bucket_histogram.boundaries",
            "must increase",
        ),
        (
            "{selector: {}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [1, .inf]}}}}",
            ".stream.aggregation.explicit_bucket_histogram.boundaries",
            "must increase",
        ),
        (
            "{selector: {}, stream: {aggregation: {explicit_bucket_histogram: {boundaries: [1, x]}}}}",
            ".stream.aggregation.explicit_bucket_histogram.boundaries[1]",
            "`x` is not a number",
        ),
        (
            "{selector: {}, stream: {aggregation: {base2_exponential_bucket_histogram: {max_scale: 21}}}}",
            ".stream.aggregation.base2_exponential_bucket_histogram.max_scale",
            "write a whole number from -10 to 20",
        ),
        (
            "{selector: {}, stream: {aggregation: {base2_exponential_bucket_histogram: {max_size: 1}}}}",
            ".stream.aggregation.base2_exponential_bucket_histogram.max_size",
            "write a whole number, 2 or more",
        ),
        (
            "{selector: {}, stream: {aggregation_cardinality_limit: 0}}",
            ".stream.aggregation_cardinality_limit",
            "1 or more",
        ),
        (
            "{selector: {}, stream: {attribute_keys: [a]}}",
            ".stream.attribute_keys",
            "is a list; write a mapping",
        ),
        (
            "{selector: {}, stream: {attribute_keys: {included: [1]}}}",
            ".stream.attribute_keys.included[0]",
            "`1` is a number, not text",
        ),
        (
            "{selector: {}, stream: {attribute_keys: {include: [a]}}}",
            ".stream.attribute_keys.include",
            "is unknown; write `included`",
        ),
    ];
    for (text, path, words) in table {
        let file = views(&format!("    - {text}\n"));
        assert_one(&file, 8, &format!("meter_provider.views[0]{path}"), words);
    }
}

#[test]
fn all_problems_are_reported_together_ordered_by_line() {
    let error = bad("file_format: \"1.1\"
meter_provider:
  readers:
    - periodic:
        interval: often
        exporter:
          otlp_http:
            compression: lz4
            headers:
              - name: api-key
    - pull:
        exporter:
          prometheus/development: {port: high}
  views:
    - selector: {instrument_nam: a}
      stream: {}
disabled: maybe
resource:
  attributes_list: ${9}
");
    let reader = "meter_provider.readers[0].periodic";
    let expected = [
        (5, format!("{reader}.interval")),
        (13, "meter_provider.readers[1].pull.exporter.prometheus/development.port".to_owned()),
        (15, "meter_provider.views[0].selector.instrument_nam".to_owned()),
        (17, "disabled".to_owned()),
        (19, "resource.attributes_list".to_owned()),
    ];
    let expected: Vec<_> = expected.iter().map(|(line, path)| (*line, &**path)).collect();
    assert_eq!(places(&error), expected);
    let text = error.to_string();
    assert!(text.starts_with("config file has 5 problems:\n  line 5, meter_provider.readers[0]"));
    assert_eq!(text.lines().count(), 6);
}

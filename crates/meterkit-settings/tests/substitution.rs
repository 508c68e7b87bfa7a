//! Variables in files: types are determined after substitution.

use meterkit_settings::SectionValue;
use meterkit_settings::file::PushExporter;

use crate::reading::{bad_with, exporter, good_with, places, pushed};

/// The variables of the specification's table, and a variable whose value looks like a mapping.
const VARIABLES: [(&str, &str); 8] = [
    ("STRING_VALUE", "value"),
    ("BOOL_VALUE", "true"),
    ("INT_VALUE", "1"),
    ("FLOAT_VALUE", "1.1"),
    ("HEX_VALUE", "0xdeadbeef"),
    ("INVALID_MAP_VALUE", "value\nkey:value"),
    ("MAP_VALUE", "{a: b}"),
    ("REPLACE_ME", "${DO_NOT_REPLACE_ME}"),
];

fn value(text: &str) -> SectionValue {
    let file =
        good_with(&exporter(&format!("          own:\n            key: {text}\n")), &VARIABLES);
    let PushExporter::Plugin(plugin) = pushed(file) else {
        panic!("a plug-in");
    };
    plugin.properties.get("key").expect("the key").value.clone()
}

#[test]
fn the_type_is_determined_after_substitution() {
    let text = |text: &str| SectionValue::Text(text.to_owned());
    let table = [
        ("${STRING_VALUE}", text("value")),
        ("${BOOL_VALUE}", SectionValue::Bool(true)),
        ("${INT_VALUE}", SectionValue::Int(1)),
        ("${FLOAT_VALUE}", SectionValue::Float(1.1)),
        ("${HEX_VALUE}", SectionValue::Int(3_735_928_559)),
        ("\"${STRING_VALUE}\"", text("value")),
        ("\"${BOOL_VALUE}\"", text("true")),
        ("'${INT_VALUE}'", text("1")),
        ("\"${FLOAT_VALUE}\"", text("1.1")),
        ("\"${HEX_VALUE}\"", text("0xdeadbeef")),
        ("${env:STRING_VALUE}", text("value")),
        ("${INVALID_MAP_VALUE}", text("value\nkey:value")),
        ("${MAP_VALUE}", text("{a: b}")),
        ("foo ${STRING_VALUE} ${FLOAT_VALUE}", text("foo value 1.1")),
        ("${INT_VALUE}${INT_VALUE}", SectionValue::Int(11)),
        ("${UNDEFINED_KEY}", SectionValue::Null),
        ("\"${UNDEFINED_KEY}\"", text("")),
        ("${UNDEFINED_KEY:-fallback}", text("fallback")),
        ("${UNDEFINED_KEY:-7}", SectionValue::Int(7)),
        ("${REPLACE_ME}", text("${DO_NOT_REPLACE_ME}")),
        ("$${STRING_VALUE}", text("${STRING_VALUE}")),
        ("a $$ b", text("a $ b")),
        ("|\n              ${STRING_VALUE}\n              2", text("value\n2\n")),
        (">-\n              ${INT_VALUE}", text("1")),
    ];
    for (written, expected) in table {
        assert_eq!(value(written), expected, "{written}");
    }
}

#[test]
fn keys_are_left_as_they_are() {
    let file = exporter("          own:\n            ${STRING_VALUE}: 1\n");
    let PushExporter::Plugin(plugin) = pushed(good_with(&file, &VARIABLES)) else {
        panic!("a plug-in");
    };
    assert!(plugin.properties.get("${STRING_VALUE}").is_some());
}

#[test]
fn a_reference_that_names_no_variable_is_an_error_wherever_it_stands() {
    let text = "file_format: \"1.1\"
tracer_provider:
  processors:
    - a: ok
      b: ${1ST}
log_level: $${1ST}
resource:
  attributes_list: ${SERVICE:?must be set}
";
    let error = bad_with(text, &[]);
    let expected = [(5, "tracer_provider.processors[0].b"), (8, "resource.attributes_list")];
    assert_eq!(places(&error), expected);
    let first = &error.problems()[0].reason;
    assert!(first.contains("`${1ST}` is not a variable reference"), "{first}");
}

#[test]
fn a_value_of_the_wrong_type_is_not_shown_when_it_came_from_a_variable() {
    let file = exporter("          console:\n  views: ${SECRET}\n");
    let error = bad_with(&file, &[("SECRET", "hunter2")]).to_string();
    assert!(error.contains("`${SECRET}`") && !error.contains("hunter2"), "{error}");
    let file = "file_format: \"1.1\"\ndisabled: ${SECRET}\n";
    let error = bad_with(file, &[("SECRET", "hunter2")]).to_string();
    assert!(error.contains("the value of `${SECRET}` is not a boolean"), "{error}");
}

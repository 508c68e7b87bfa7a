//! The generated code, and the error for each mistake. `tests/` verifies that the generated code compiles and runs.

use super::*;

fn expansion(code: &str) -> String {
    let input = syn::parse_str(code).unwrap_or_else(|error| panic!("{code}: {error}"));
    let tokens = expand(&input).unwrap_or_else(|error| panic!("{code}: {error}"));
    syn::parse2::<syn::ItemImpl>(tokens.clone())
        .unwrap_or_else(|error| panic!("{tokens}: {error}"));
    tokens.to_string().replace(' ', "")
}

fn errors(code: &str) -> Vec<(String, String)> {
    crate::mistakes::errors(code, expand)
}

#[test]
fn names_become_snake_case_by_words() {
    for (variant, label) in [
        ("Hello", "hello"),
        ("HelloWorld", "hello_world"),
        ("getVersion2", "get_version2"),
        ("GetAPIDocs", "get_api_docs"),
        ("EncoreResource_123abc", "encore_resource_123abc"),
        ("ID", "id"),
        ("RenderHTML", "render_html"),
        ("jobType", "job_type"),
        ("_Hello___World__", "hello_world"),
        ("r#type", "type"),
        ("Größe", "größe"),
    ] {
        let code = format!("enum E {{ {variant} }}");
        let arm = format!("Self::{variant}=>\"{label}\"");
        let expansion = expansion(&code);
        assert!(expansion.contains(&arm), "{arm} in {expansion}");
    }
}

#[test]
fn the_path_is_that_of_meterkit_unless_given() {
    let default = expansion("enum E { A }");
    assert!(default.contains("impl::meterkit::LabelValueforE"), "{default}");
    assert!(default.contains("::meterkit::LabelRef::Static"), "{default}");

    let given = expansion("#[label(crate = \"crate::metrics\")] enum E { A }");
    assert!(given.contains("implcrate::metrics::LabelValueforE"), "{given}");
    assert!(!given.contains("::meterkit"), "{given}");
}

#[test]
fn each_variant_has_its_place_and_each_place_its_label() {
    let expansion = expansion("enum E { A, BeeGees }");
    for part in [
        "CARDINALITY:::core::option::Option<::core::primitive::usize>=::core::option::Option::Some(2)",
        "Self::A=>0,Self::BeeGees=>1",
        "0=>::meterkit::LabelRef::Static(\"a\"),1=>::meterkit::LabelRef::Static(\"bee_gees\"),",
        "_=>::meterkit::LabelRef::Absent,",
    ] {
        assert!(expansion.contains(part), "{part} in {expansion}");
    }
}

#[test]
fn attributes_of_others_are_left_alone() {
    let expansion = expansion("#[serde(tag = \"t\")] enum E { #[serde(rename = \"b\")] A }");
    assert!(expansion.contains("Self::A=>\"a\""), "{expansion}");
}

#[test]
fn generics_are_kept() {
    let expansion = expansion("enum E<const N: usize> where [(); N]: Sized { A }");
    assert!(expansion.contains("forE<N>where"), "{expansion}");
}

#[test]
fn each_mistake_is_shown_where_it_is_with_what_to_write() {
    for (code, place, rule, remedy) in [
        ("struct S { a: u8 }", "S", "`S` is a struct", "`enum S { .. }`"),
        ("union U { a: u8 }", "U", "`U` is a union", "`impl LabelValue for U`"),
        ("enum E {}", "E", "has no variants", "`enum E { Other }`"),
        ("enum E { A, B(u32) }", "B(u32)", "variant `B` has fields", "write `B` without"),
        ("enum E { C { d: u8 } }", "C { d: u8 }", "variant `C` has fields", "write `C`"),
        ("enum E { F() }", "F()", "variant `F` has fields", "write `F`"),
        ("enum E { FooBar, foo_bar }", "foo_bar", "`FooBar` and `foo_bar`", "name = \"...\""),
        ("enum E { __ }", "__", "derived from the name `__`", "name = \"...\""),
        ("enum E { #[label(name = \" \")] A }", "\" \"", "is empty", "at least one character"),
        ("enum E { #[label(name = 5)] A }", "5", "string in quotes", "name = \"...\""),
        ("enum E { #[label(name)] A }", "name", "value is missing", "name = \"...\""),
        ("enum E { #[label(name = )] A }", "name", "value is missing", "name = \"...\""),
        ("enum E { #[label(name(\"b\"))] A }", "(\"b\")", "follow `=`", "name = \"...\""),
        (
            "enum E { #[label(name \"b\")] A }",
            "name \"b\"",
            "followed by `=` and a value",
            "name = \"...\"",
        ),
        ("enum E { #[label(\"b\")] A }", "\"b\"", "begins with its name", "name = \"...\""),
        ("enum E { #[label(name = \"b\",,)] A }", ",", "begins with its name", "name = "),
        ("enum E { #[label(text = \"b\")] A }", "text", "unknown setting", "name = \"...\""),
        ("enum E { #[label(rename = \"b\")] A }", "rename", "called `name`", "name = \"...\""),
        ("enum E { #[label(crate = \"b\")] A }", "crate", "on the enum", "all variants"),
        ("enum E { #[label] A }", "#[label]", "in parentheses", "name = \"...\""),
        ("enum E { #[label()] A }", "#[label()]", "in parentheses", "name = \"...\""),
        ("enum E { #[label = \"b\"] A }", "#[label = \"b\"]", "in parentheses", "name = "),
        (
            "enum E { #[label(name = \"b\", name = \"c\")] A }",
            "name = \"c\"",
            "second time",
            "keep only one",
        ),
        ("#[label(name = \"b\")] enum E { A }", "name", "on a variant", "no label of its own"),
        ("#[label(rename_all = 5)] enum E { A }", "5", "string in quotes", "\"camelCase\""),
        ("#[label(rename_all = \"Upper\")] enum E { A }", "\"Upper\"", "`Upper`", "`UPPERCASE`"),
        ("enum E { #[label(rename_all = \"x\")] A }", "rename_all", "on the enum", "all variants"),
        (
            "#[label(rename_all = \"lowercase\")] enum E { AB, Ab }",
            "Ab",
            "`AB` and `Ab` both have the label `ab`",
            "name = \"...\"",
        ),
        ("#[label(krate = \"b\")] enum E { A }", "krate", "unknown setting", "crate = \"path"),
        ("#[label(crate = \"a b\")] enum E { A }", "\"a b\"", "`a b` is not a path", "crate = \"p"),
        ("#[label(crate = a)] enum E { A }", "a", "string in quotes", "crate = \"path"),
    ] {
        let errors = errors(code);
        let [(text, at)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains(rule) && text.contains(remedy), "{code}: {text}");
        assert_eq!(at, place, "{code}: {text}");
    }
}

#[test]
fn two_variants_that_share_a_label_by_name_are_an_error_at_the_second() {
    let code = "enum E { A, #[label(name = \"a\")] B }";
    let errors = errors(code);
    let [(text, at)] = &*errors else { panic!("{errors:?}") };
    assert!(text.contains("`A` and `B` both have the label `a`"), "{text}");
    assert_eq!(at, "#[label(name = \"a\")] B");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let code = "#[label(x, y)] enum E { A(u8), #[label(name = \"\")] B, C, c }";
    let places: Vec<String> = errors(code).into_iter().map(|(_, place)| place).collect();
    assert_eq!(places, ["A(u8)", "\"\"", "c", "x", "y"]);
}

#[test]
fn an_enum_with_mistakes_can_still_be_used() {
    let input = syn::parse_str("enum E<T> { A(T) }").expect("an enum");
    let made = stub(&input).expect("a stub").to_string().replace(' ', "");
    assert!(made.contains("impl<T>::meterkit::LabelValueforE<T>{"), "{made}");
    let input = syn::parse_str("#[label(crate = 5)] enum E { A(u8) }").expect("an enum");
    assert!(stub(&input).is_none());
}

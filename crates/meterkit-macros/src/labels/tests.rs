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

fn assert_holds(code: &str, parts: &[&str]) {
    let expansion = expansion(code);
    for part in parts {
        let part = part.replace(' ', "");
        assert!(expansion.contains(&part), "{part} in {expansion}");
    }
}

/// Returns the arguments that follow the name of a key and describe its values.
fn values(ty: &str) -> String {
    let value = format!("<{ty} as ::meterkit::LabelValue>");
    format!("{value}::CARDINALITY, {value}::nth, {value}::IS_OPTIONAL,)")
}

#[test]
fn a_flattened_set_gives_its_keys_and_values() {
    assert_holds(
        "struct S<'a, T> { a: bool, #[label(flatten)] b: B<'a, T>, #[label(flatten)] c: C }",
        &[
            "join(&[&[::meterkit::LabelKey::of_values(\"a\",",
            "<B<'static, T> as ::meterkit::Labels>::KEYS, <C as ::meterkit::Labels>::KEYS])",
            "<B<'a, T> as ::meterkit::Labels>::visit(&self.b,",
            "closed_sets(<B<'a, T> as ::meterkit::Labels>::KEYS) }?",
            "wrapping_add(<C as ::meterkit::Labels>::index(&self.c)?)",
            "where B<'a, T>: ::meterkit::Labels, B<'static, T>: ::meterkit::Labels, T: 'static",
        ],
    );
}

#[test]
fn a_set_with_mistakes_can_still_be_used() {
    let input = syn::parse_str("struct S<'a> { a: &'a f64 }").expect("a struct");
    assert!(expand(&input).is_err());
    let made = stub(&input).expect("a stub").to_string().replace(' ', "");
    assert!(made.contains("Set=S<'static>"), "{made}");
    assert!(made.contains("LabelKey]=&[];"), "{made}");
    let input = syn::parse_str("#[label(crate = 5)] struct S { a: u8 }").expect("a struct");
    assert!(stub(&input).is_none());
}

#[test]
fn keys_are_names_in_snake_case_unless_they_are_named() {
    for (field, key) in [
        ("success", "success"),
        ("r#type", "type"),
        ("_task", "task"),
        ("taskId", "task_id"),
        ("#[label(name = \"http.route\")] route", "http.route"),
        ("#[serde(rename = \"x\")] route", "route"),
    ] {
        let key = format!("::meterkit::LabelKey::of_values(\"{key}\", {}", values("bool"));
        assert_holds(&format!("struct S {{ {field}: bool }}"), &[&key]);
    }
}

#[test]
fn lifetimes_are_static_in_the_set_and_in_the_keys() {
    assert_holds(
        "struct S<'a, T, const N: usize> { a: Cow<'a, str>, b: Option<&'a T>, c: [u8; N] }",
        &[
            "impl<'a, T, const N: usize> ::meterkit::Labels for S<'a, T, N>",
            "where T: ::meterkit::LabelValue, T: 'static",
            "type Set = S<'static, T, N>;",
            &format!("of_values(\"a\", {}", values("Cow<'static, str>")),
            &format!("of_values(\"b\", {}", values("Option<&'static T>")),
            "<Option<&'a T> as ::meterkit::LabelValue>::CARDINALITY",
        ],
    );
}

#[test]
fn a_lifetime_that_is_no_parameter_stays() {
    assert_holds(
        "struct S<'a> { a: W<'a, for<'b> fn(&'b str)> }",
        &["W<'static, for<'b> fn(&'b str)>"],
    );
}

#[test]
fn bounds_apply_to_the_type_parameters_in_fields() {
    let where_clause = "S<T, U> where U: Copy, T::Kind: ::meterkit::LabelValue {";
    assert_holds("struct S<T: Tr, U> where U: Copy { a: T::Kind, b: bool }", &[where_clause]);
}

#[test]
fn static_text_is_handed_out_as_such() {
    assert_holds(
        "struct S<'a> { a: &'static str, b: &'a str }",
        &[
            "visit(visitor, ::meterkit::LabelRef::Static(self.a));",
            "visit(visitor, <&'a str as ::meterkit::LabelValue>::label(&self.b));",
        ],
    );
}

#[test]
fn a_capped_key_leaves_the_set_without_a_place() {
    let code = "struct S { #[label(max_values = 5)] a: Kind }";
    let key = format!("of_values(\"a\", {}.max_values(5usize)", values("Kind"));
    assert_holds(code, &[&key]);
    assert!(!expansion(code).contains("fnindex"));
    assert!(expansion("struct S { a: Kind }").contains("fnindex"));
}

#[test]
fn the_path_is_that_of_meterkit_unless_given() {
    let given = expansion("#[label(crate = \"crate::metrics\")] struct S { a: bool }");
    assert!(given.contains("implcrate::metrics::LabelsforS"), "{given}");
    assert!(!given.contains("::meterkit"), "{given}");
}

#[test]
fn each_mistake_is_shown_where_it_is_with_what_to_write() {
    for (code, place, rule, remedy) in [
        ("struct S;", "S", "without named fields", "`struct S { key: Type }`"),
        ("struct S(bool);", "S", "without named fields", "`struct S { key: Type }`"),
        ("enum E { A }", "E", "`E` is an enum", "`struct E { key: Type }`"),
        ("union U { a: u8 }", "U", "`U` is a union", "`struct U { key: Type }`"),
        ("struct S {}", "S", "has no fields", "`struct S { success: bool }`"),
        ("struct S { le: bool }", "le", "`le` is reserved", "name = \"...\""),
        ("struct S { größe: bool }", "größe", "may only hold ASCII", "name = \"...\""),
        ("struct S { __: bool }", "__", "derived from the name `__`", "name = \"...\""),
        ("struct S { #[label(name = \"__a\")] a: u8 }", "\"__a\"", "`__a` begins", "another"),
        ("struct S { #[label(name = \"a b\")] a: u8 }", "\"a b\"", "may only hold", "another"),
        (
            "struct S { #[label(name = \"\")] a: u8 }",
            "\"\"",
            "the key is empty",
            "at least one character",
        ),
        ("struct S { a: f64 }", "f64", "`f64` would create a series per value", "an integer"),
        (
            "struct S { a: Option<&'static f32> }",
            "Option<&'static f32>",
            "type `f32`",
            "an integer",
        ),
        ("struct S { #[label(max_values = 0)] a: u8 }", "0", "lets nothing through", "1 or more"),
        ("struct S { #[label(max_values = -1)] a: u8 }", "-1", "whole number", "max_values = 50"),
        ("struct S { #[label(max_values)] a: u8 }", "max_values", "value is missing", "= 50"),
        (
            "struct S { #[label(max_values = 5)] a: Option<bool> }",
            "max_values = 5",
            "two values",
            "leave out",
        ),
        ("struct S { #[label(key = \"b\")] a: u8 }", "key", "unknown setting", "`max_values = 50`"),
        ("struct S { #[label(crate = \"b\")] a: u8 }", "crate", "on the struct", "all fields"),
        (
            "struct S { #[label(flatten, name = \"b\")] a: A }",
            "name",
            "flattened into several",
            "leave out `flatten`",
        ),
        ("struct S { #[label(flatten = true)] a: A }", "flatten = true", "no value", "(flatten)]"),
        ("#[label(flatten)] struct S { a: A }", "flatten", "on the field", "another set"),
        (
            "#[label(rename_all = \"camel\")] struct S { a: u8 }",
            "\"camel\"",
            "does not know `camel`",
            "`camelCase`",
        ),
        (
            "#[label(rename_all = \"kebab-case\")] struct S { a_b: u8 }",
            "a_b",
            "`a-b` may only hold",
            "name = \"...\"",
        ),
        ("struct S { #[label(rename_all = \"x\")] a: A }", "rename_all", "on the struct", "all"),
        ("struct S { #[label] a: u8 }", "#[label]", "in parentheses", "`name = \"...\"`"),
        ("#[label(name = \"b\")] struct S { a: u8 }", "name", "on a field", "no key"),
        ("#[label(max_values = 5)] struct S { a: u8 }", "max_values", "on a field", "its own"),
        ("#[label(text = \"b\")] struct S { a: u8 }", "text", "unknown setting", "crate = \"p"),
        (
            "struct S { #[label(rename = \"b\")] a: u8 }",
            "rename",
            "called `name`",
            "name = \"...\"",
        ),
        (
            "struct S { #[label(name = \"b\", name = \"c\")] a: u8 }",
            "name = \"c\"",
            "second time",
            "keep only one",
        ),
        (
            "struct S { b: u8, #[label(name = \"b\")] a: u8 }",
            "\"b\"",
            "`b` and `a` both have the key `b`",
            "name = \"...\"",
        ),
        ("struct S { a: u8, _a: u8 }", "_a", "`a` and `_a` both have", "name = \"...\""),
    ] {
        let errors = errors(code);
        let [(text, at)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains(rule) && text.contains(remedy), "{code}: {text}");
        assert_eq!(at, place, "{code}: {text}");
    }
}

#[test]
fn sixty_four_labels_are_the_most() {
    let code = |count: usize| {
        let fields: Vec<String> = (0..count).map(|at| format!("f{at}: bool")).collect();
        format!("struct S {{ {} }}", fields.join(", "))
    };
    expansion(&code(64));
    let errors = errors(&code(66));
    let [(text, at)] = &*errors else { panic!("{errors:?}") };
    assert!(text.contains("has 66 labels, but at most 64 are allowed"), "{text}");
    assert_eq!(at, "f64");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let code =
        "#[label(x)] struct S { a: f64, le: u8, #[label(y, max_values = 0)] b: u8, c: u8, _c: u8 }";
    let places: Vec<String> = errors(code).into_iter().map(|(_, place)| place).collect();
    assert_eq!(places, ["f64", "le", "y", "0", "_c", "x"]);
}

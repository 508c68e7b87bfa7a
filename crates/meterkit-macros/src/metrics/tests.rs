//! The generated code, and the error for each mistake. `tests/` verifies that the generated code compiles and runs.

use super::*;

fn expansion(code: &str) -> String {
    let input = syn::parse_str(code).unwrap_or_else(|error| panic!("{code}: {error}"));
    let tokens = expand(&input).unwrap_or_else(|error| panic!("{code}: {error}"));
    syn::parse2::<syn::File>(tokens.clone()).unwrap_or_else(|error| panic!("{tokens}: {error}"));
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

/// Returns a struct with one field, preceded by `setting`.
fn field(setting: &str) -> String {
    format!("struct M {{ #[metric({setting})] a: Counter }}")
}

#[test]
fn a_field_becomes_an_instrument_with_its_own_settings_only() {
    assert_holds(
        "struct M { a: Counter, r#type: Gauge<f64>, _jobs: Gauge }",
        &[
            "fn register_on(meter: &::meterkit::Meter) -> Self { Self {",
            "a: meter.declared::<Counter>(\"a\").register(),",
            "r#type: meter.declared::<Gauge<f64> >(\"type\").register(),",
            "_jobs: meter.declared::<Gauge>(\"jobs\").register()",
            "a: meter.declared::<Counter>(\"a\").build()?",
        ],
    );
}

#[test]
fn each_setting_becomes_a_call() {
    for (setting, call) in [
        ("name = \"b.c\"", "(\"b.c\").register()"),
        ("unit = \"s\"", "(\"a\").unit(\"s\").register()"),
        ("buckets = [-1, 0, 0.5, 1e3,]", ".buckets([-1f64, 0f64, 0.5f64, 1000f64])"),
        ("buckets = SIZES", ".buckets(::core::clone::Clone::clone(&SIZES))"),
        ("buckets = a::SIZES", ".buckets(::core::clone::Clone::clone(&a::SIZES))"),
        ("buckets = B::linear(1.0, N, 3)", "Clone::clone(&B::linear(1.0, N, 3)))"),
        ("exponential", ".exponential()"),
        ("duration", ".duration()"),
        ("cardinality_limit = 1_000", ".cardinality_limit(1000usize)"),
        ("zero_initialized", ".zero_initialized()"),
        (
            "attributes(type = \"b\", \"c.d\" = true, e = 7)",
            ".attribute(\"type\", \"b\").attribute(\"c.d\", true).attribute(\"e\", 7i64)",
        ),
        ("idle_timeout = \"500ms\"", ".idle_timeout(::core::time::Duration::from_millis(500u64))"),
        ("idle_timeout = \"30s\"", "from_millis(30000u64)"),
        ("idle_timeout = \"10m\"", "from_millis(600000u64)"),
        ("idle_timeout = \"2h\"", "from_millis(7200000u64)"),
    ] {
        assert_holds(&field(setting), &[call]);
    }
}

#[test]
fn a_doc_comment_becomes_the_description_in_one_line() {
    for (docs, description) in [
        ("/// Tasks  started.\n", "Tasks started."),
        ("/// Tasks,\n/// by result.\n///\n/// Since start.\n", "Tasks, by result. Since start."),
        ("/** Tasks,\n  * by result.\n  */\n", "Tasks, by result."),
        ("#[doc(hidden)] /// Tasks.\n", "Tasks."),
    ] {
        let code = format!("struct M {{ {docs} a: Counter }}");
        let call = format!(".description({description:?})").replace(' ', "");
        let expansion = expansion(&code);
        assert!(expansion.contains(&call), "{call} in {expansion}");
    }
    assert!(!expansion("struct M { ///\n a: Counter }").contains("description"));
}

#[test]
fn flattened_structs_are_made_with_the_same_meter_or_below_a_prefix() {
    assert_holds(
        "struct M { #[metric(flatten)] a: A, #[metric(flatten, prefix = \"b\")] b: A }",
        &[
            "a: <A as ::meterkit::Metrics>::register_on(meter),",
            "b: <A as ::meterkit::Metrics>::register_on(&meter.prefixed(\"b\"))",
            "a: <A as ::meterkit::Metrics>::try_register_on(meter)?,",
            "b: <A as ::meterkit::Metrics>::try_register_on(&meter.prefixed(\"b\"))?",
        ],
    );
}

#[test]
fn a_prefix_of_the_struct_stands_before_the_names_of_any_meter() {
    assert_holds(
        "#[metrics(prefix = \"b\")] struct M { a: Counter }",
        &[
            "-> Self { let meter = &meter.prefixed(\"b\"); Self {",
            "{ let meter = &meter.prefixed(\"b\"); ::core::result::Result::Ok(Self {",
        ],
    );
    assert_holds(
        "#[metrics(plain, version = \"1\", prefix = \"b_\")] struct M { a: Counter }",
        &["&meter.prefixed(\"b_\");", "{ registry.plain().version(\"1\") }"],
    );
}

#[test]
fn names_that_are_used_as_they_are_written_need_no_style() {
    let named = |prefix: &str, name: &str| {
        format!(
            "#[metrics(plain, prefix = {prefix:?})] struct M {{ #[metric(name = {name:?})] a: Counter, \
             #[metric(flatten, prefix = {name:?})] b: B }}"
        )
    };
    for (prefix, name) in [("job:", "Sum_"), ("_x_", "2xx"), ("A", "a__b:c")] {
        assert_holds(&named(prefix, name), &[&format!("({name:?})")]);
    }
    // These names become equal in Prometheus only once its conventions add a suffix.
    expansion(
        "#[metrics(plain)] struct M { t: Counter, #[metric(name = \"t_total\")] u: Counter, \
        #[metric(name = \"T\")] v: Counter }",
    );
    let met = errors("#[metrics(plain)] struct M { h: Histogram, h_count: Gauge }");
    assert!(met[0].0.contains("both become `h_count`"), "{met:?}");
    assert_eq!(errors(&named("x", "a b")).len(), 2);
    assert_eq!(errors(&named("x y", "a")).len(), 1);
}

#[test]
fn a_struct_with_mistakes_can_still_be_used() {
    let stub = |code: &str| {
        let input = syn::parse_str(code).unwrap_or_else(|error| panic!("{code}: {error}"));
        assert!(expand(&input).is_err(), "{code}");
        stub(&input).map(|tokens| {
            syn::parse2::<syn::File>(tokens.clone()).unwrap_or_else(|error| panic!("{error}"));
            tokens.to_string().replace(' ', "")
        })
    };
    let none = stub("struct M { #[metric(x)] a: Counter }").expect("a stub");
    assert!(none.contains("impl::meterkit::MetricsforM{"), "{none}");
    assert!(!none.contains("fnregister()"), "{none}");
    for settings in ["scope = \"plugin\"", "plain = 5", "semconv = 5", "version = \"1\""] {
        let stub = stub(&format!("#[metrics({settings})] struct M<T> {{ a: Gauge<T> }}"));
        let stub = stub.expect("a stub");
        for part in ["MetricsforM<T>{", "fnregister()", "fnregister_in(", "fnmeter_in("] {
            assert!(stub.contains(part), "{settings}: {part} in {stub}");
        }
    }
    assert_eq!(stub("#[metrics(crate = \"a b\")] struct M { a: Counter }"), None);
}

#[test]
fn a_struct_with_a_scope_makes_its_own_meter() {
    let scoped = "#[metrics(scope = \"plugin\", name = \"mcp-actions\", version = \"1.2\")]
        #[metrics(schema_url = \"https://a.b\", attributes(\"a.b\" = \"c\", d = \"e\"))]
        pub(crate) struct M { a: Counter }";
    assert_holds(
        scoped,
        &[
            "pub(crate) fn register() -> Self { let meter = Self::meter_in(::meterkit::Registry::global());",
            "pub(crate) fn meter_in(registry: &::meterkit::Registry) -> ::meterkit::Meter {",
            "{ registry.scoped(\"plugin\", \"mcp-actions\").version(\"1.2\")\
             .schema_url(\"https://a.b\").attribute(\"a.b\", \"c\").attribute(\"d\", \"e\") }",
            "pub(crate) fn register_in(registry: &::meterkit::Registry,)",
        ],
    );
    let core = "#[metrics(scope = \"core\")] struct M { a: Counter }";
    assert_holds(core, &["{ registry.core() }"]);
    let semconv = "#[metrics(semconv = \"http-server\")] struct M { a: Counter }";
    assert_holds(semconv, &["{ registry.semconv(\"http-server\") }"]);
    assert!(!expansion("struct M { a: Counter }").contains("fnregister()"));
}

#[test]
fn names_that_a_convention_fixes_need_no_house_style() {
    let named = |name: &str| {
        format!(
            "#[metrics(semconv = \"x\")] struct M {{ #[metric(name = {name:?})] a: Counter, \
             #[metric(flatten, prefix = {name:?})] b: B }}"
        )
    };
    assert_holds(&named("http.Server-x"), &["(\"http.Server-x\")"]);
    assert_eq!(errors(&named("a b")).len(), 2);
}

#[test]
fn names_that_prometheus_cannot_tell_apart_are_errors() {
    let declared = |fields: &str| errors(&format!("struct M {{ {fields} }}"));
    for (fields, both) in [
        ("t: Counter, #[metric(name = \"t.total\")] u: CounterGroup<L>", "t_total"),
        ("x_y: Gauge<u64>, #[metric(name = \"x.y\")] z: ObservableGauge<u64>", "x_y"),
        ("#[metric(unit = \"s\")] z: Histogram, z_seconds: HistogramGroup<L>", "z_seconds"),
        ("h: metrics::Histogram, h_count: UpDownCounter", "h_count"),
        ("#[metric(duration)] d: Histogram, d_seconds: Gauge<u64>", "d_seconds"),
        ("#[metric(duration)] d: Histogram<u64>, d_milliseconds: Gauge<u64>", "d_milliseconds"),
    ] {
        let found = declared(fields);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.contains(&format!("both become `{both}`")), "{found:?}");
    }
    for fine in ["#[metric(name = \"t.total\")] u: Alias", "t_count: Gauge<u64>"] {
        assert_holds(&format!("struct M {{ t: Counter, {fine} }}"), &["(\"t\")"]);
    }
}

#[test]
fn generics_are_kept() {
    assert_holds(
        "struct M<L: Labels, const N: usize> where L: Copy { a: CounterGroup<L> }",
        &["impl<L: Labels, const N: usize> ::meterkit::Metrics for M<L, N> where L: Copy {"],
    );
    let parameter = "struct M<I: Instrument> { a: I, b: Counter }";
    assert_holds(parameter, &["meter.instrument::<I>(\"a\")", "meter.declared::<Counter>(\"b\")"]);
}

#[test]
fn the_path_is_that_of_meterkit_unless_given() {
    let given = expansion(
        "#[metrics(crate = \"crate::kit\", semconv = \"x\")] struct M { #[metric(flatten)] a: A }",
    );
    assert!(given.contains("implcrate::kit::MetricsforM"), "{given}");
    assert!(given.contains("<Aascrate::kit::Metrics>"), "{given}");
    assert!(!given.contains("::meterkit"), "{given}");
}

#[test]
fn types_that_cannot_hold_instruments_are_rejected_with_a_remedy() {
    for (code, rule) in [
        ("struct M;", "without named fields"),
        ("struct M(Counter);", "without named fields"),
        ("enum M { A }", "`M` is an enum"),
        ("union M { a: u8 }", "`M` is a union"),
        ("struct M {}", "has no fields"),
    ] {
        let errors = errors(code);
        let [(text, at)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains(rule), "{code}: {text}");
        assert!(text.contains("`struct M { requests: Counter }`"), "{code}: {text}");
        assert_eq!(at, "M", "{code}: {text}");
    }
}

#[test]
fn each_mistake_on_a_struct_is_shown_where_it_is_with_what_to_write() {
    for (settings, place, rule, remedy) in [
        ("scope = \"plugin\"", "scope", "does not name a scope", "`name = \"catalog\"`"),
        ("name = \"catalog\"", "name", "does not name a scope", "`scope = \"plugin\"`"),
        ("scope = \"p\", semconv = \"x\"", "scope", "cannot be combined", "keep `semconv`"),
        ("name = \"p\", semconv = \"x\"", "name", "cannot be combined", "keep `semconv`"),
        ("scope = \"Plugin\", name = \"x\"", "\"Plugin\"", "scope kind `Plugin`", "`plugin`"),
        ("scope = \"plugin\", name = \"x y\"", "\"x y\"", "scope name `x y`", "`x_y`"),
        ("scope = \"plugin\", name = \"\"", "\"\"", "is empty", "for example `catalog`"),
        ("semconv = \"http server\"", "\"http server\"", "white space", "`http_server`"),
        ("semconv = 5", "5", "string in quotes", "semconv = \"http_server\""),
        ("version = \"1\"", "version", "this struct has none", "add `scope = \"plugin\""),
        ("schema_url = \"x\"", "schema_url", "this struct has none", "add `scope = \"plugin\""),
        ("attributes(a = \"x\")", "attributes", "this struct has none", "add `scope = \"plugin\""),
        ("semconv = \"x\", version = \"\"", "\"\"", "`version` is empty", "at least one character"),
        ("semconv = \"x\", attributes(le = \"y\")", "le", "`le` is reserved", "`db.system`"),
        ("semconv = \"x\", attributes(a = 5.5)", "5.5", "an integer", "`a = \"...\"`"),
        (
            "semconv = \"x\", attributes(a = \"x\", a = \"y\")",
            "a",
            "is given twice",
            "keep only one",
        ),
        ("semconv = \"x\", semconv = \"y\"", "semconv = \"y\"", "second time", "keep only one"),
        ("semconv", "semconv", "value is missing", "semconv = \"http_server\""),
        ("kind = \"x\"", "kind", "unknown setting", "`semconv = \"http_server\"`"),
        ("unit = \"s\"", "unit", "on a field", "#[metric(unit = \"s\")]"),
        ("crate = \"a b\"", "\"a b\"", "not a path", "crate = \"path"),
        ("plain = true", "plain = true", "takes no value", "#[metrics(plain)]"),
        ("plain, semconv = \"x\"", "semconv", "cannot be combined", "keep `plain`"),
        ("plain, name = \"x\"", "name", "cannot be combined", "keep `plain`"),
        ("prefix = \"X\"", "\"X\"", "prefix `X` holds an upper", "`x`"),
        ("prefix = 5", "5", "string in quotes", "prefix = \"cache\""),
        ("plain, prefix = \"1a\"", "\"1a\"", "must begin with a letter, `_` or `:`", "write"),
    ] {
        let code = format!("#[metrics({settings})] struct M {{ a: Counter }}");
        let errors = errors(&code);
        let [(text, at)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains(rule) && text.contains(remedy), "{code}: {text}");
        assert_eq!(at, place, "{code}: {text}");
    }
}

#[test]
fn each_mistake_on_a_field_is_shown_where_it_is_with_what_to_write() {
    for (settings, place, rule, remedy) in [
        ("name = \"Tasks\"", "\"Tasks\"", "instrument name `Tasks` holds an upper", "`tasks`"),
        ("name = \"\"", "\"\"", "is empty", "`queue.length`"),
        ("name = 5", "5", "string in quotes", "name = \"queue.length\""),
        ("unit = \"second\"", "\"second\"", "unit `second` is not a UCUM symbol", "`s`"),
        ("buckets = [5, 1.5]", "[5, 1.5]", "has 5 before 1.5", "[1.5, 5.0]"),
        ("buckets = [-1, -2]", "[-1, -2]", "has -1 before -2", "[-2.0, -1.0]"),
        ("buckets = []", "[]", "of histogram `a` is empty", "at least one"),
        ("buckets = [1e999]", "[1e999]", "infinity", "leave it out"),
        ("buckets = [\"a\"]", "[\"a\"]", "list of numbers", "buckets = [0.1, 1.0]"),
        ("buckets = 5", "5", "list of numbers", "buckets = [0.1, 1.0]"),
        ("buckets(1, 2)", "(1, 2)", "follow `=`", "buckets = [0.1, 1.0]"),
        ("exponential = true", "exponential = true", "takes no value", "#[metric(exponential)]"),
        ("exponential, buckets = [1]", "exponential", "buckets of its own", "leave out `buckets`"),
        ("cardinality_limit = 0", "0", "lets nothing through", "1 or more"),
        ("cardinality_limit = \"5\"", "\"5\"", "whole number", "cardinality_limit = 100"),
        ("idle_timeout = \"10\"", "\"10\"", "`10` is not a duration", "`10m`"),
        ("idle_timeout = \"1.5h\"", "\"1.5h\"", "is not a duration", "whole number"),
        ("idle_timeout = \"0s\"", "\"0s\"", "is not a duration", "at least 1"),
        (
            "idle_timeout = \"99999999999999999h\"",
            "\"99999999999999999h\"",
            "is not a duration",
            "`10m`",
        ),
        ("idle_timeout = 10", "10", "string in quotes", "idle_timeout = \"10m\""),
        ("zero_initialized = true", "zero_initialized = true", "takes no value", "(zero_init"),
        ("attributes(\"1a\" = \"x\")", "\"1a\"", "`1a` must begin", "`db.system`"),
        ("attributes(db.system = \"x\")", "db.system = \"x\"", "in quotes", "`\"db.system\" = "),
        ("attributes(a = \"x\", a = \"y\")", "a", "is given twice", "keep only one"),
        ("attributes(a = 1.5)", "1.5", "an integer", "`a = \"...\"`"),
        ("attributes(a)", "a", "a key, `=` and a literal", "attributes(key = \"value\")"),
        ("attributes()", "attributes()", "in parentheses", "attributes(key = \"value\")"),
        ("attributes = \"a\"", "attributes = \"a\"", "in parentheses", "attributes(key"),
        ("prefix = \"x\"", "prefix", "a flattened struct", "flatten, prefix = \"cache\""),
        ("flatten = true", "flatten = true", "takes no value", "#[metric(flatten)]"),
        ("flatten, name = \"x\"", "name", "flattened into several", "leave out `flatten`"),
        ("flatten, buckets = [1]", "buckets", "flattened into several", "leave out"),
        ("flatten, prefix = \"X\"", "\"X\"", "prefix `X` holds an upper", "`x`"),
        ("description = \"x\"", "description", "doc comment", "`/// ...`"),
        ("scope = \"x\"", "scope", "on the struct", "#[metrics(scope"),
        ("plain", "plain", "on the struct", "all fields"),
        ("labels = \"x\"", "labels", "unknown setting", "`cardinality_limit = 100`"),
        ("unit = \"s\", unit = \"s\"", "unit = \"s\"", "second time", "keep only one"),
        ("unit", "unit", "value is missing", "unit = \"s\""),
        ("\"a\"", "\"a\"", "begins with its name", "`unit = \"s\"`"),
    ] {
        let code = field(settings);
        let errors = errors(&code);
        let [(text, at)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains(rule) && text.contains(remedy), "{code}: {text}");
        assert_eq!(at, place, "{code}: {text}");
    }
}

#[test]
fn mistakes_between_fields_are_shown_at_the_second() {
    for (fields, place, rule) in [
        ("#[metric(name = \"b\")] a: C, b: C", "b", "`a` and `b` both have the name `b`"),
        ("b: C, #[metric(name = \"b\")] a: C", "\"b\"", "`b` and `a` both have the name `b`"),
        (
            "queue_length: C, #[metric(name = \"queueLength\")] b: C",
            "\"queueLength\"",
            "only in case, `-` or `_`: `queue_length` and `queueLength`",
        ),
        ("#[metric(flatten)] a: C, #[metric(flatten)] b: C", "b", "make the same instruments"),
        (
            "#[metric(flatten, prefix = \"x\")] a: C, #[metric(flatten, prefix = \"x\")] b: C",
            "\"x\"",
            "`a` and `b` make the same instruments",
        ),
        ("größe: C", "größe", "instrument name `größe` holds a character outside ASCII"),
        ("__: C", "__", "instrument name `` is empty"),
        ("#[metrics(unit = \"s\")] a: C", "metrics", "on a field, write `#[metric(..)]`"),
    ] {
        let code = format!("struct M {{ {fields} }}");
        let errors = errors(&code);
        let [(text, at)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains(rule), "{code}: {text}");
        assert_eq!(at, place, "{code}: {text}");
    }
    let errors = errors("#[metric(scope = \"a\")] struct M { a: C }");
    assert!(errors[0].0.contains("on the struct, write `#[metrics(..)]`"), "{errors:?}");
}

#[test]
fn names_that_may_coexist_do_not_clash() {
    expansion(
        "struct M { #[metric(flatten)] a: A, #[metric(flatten)] b: B, #[metric(flatten, prefix = \"c\")] c: A }",
    );
}

#[test]
fn names_that_get_too_long_with_their_scope_are_an_error() {
    let code = |field: &str| {
        format!("#[metrics(scope = \"plugin\", name = \"catalog\")] struct M {{ {field} }}")
    };
    let named = |length: usize| code(&format!("#[metric(name = \"{}\")] a: C", "a".repeat(length)));
    let prefixed = |length: usize| {
        code(&format!("#[metric(flatten, prefix = \"{}\")] a: C", "a".repeat(length)))
    };
    // The prefix `plugin.catalog.` uses 15 of the 255 characters.
    expansion(&named(240));
    expansion(&prefixed(238));
    let own = |prefix: &str, length: usize| {
        format!(
            "#[metrics({prefix})] struct M {{ #[metric(name = \"{}\")] a: C }}",
            "a".repeat(length)
        )
    };
    expansion(&own("prefix = \"ab\"", 252));
    expansion(&own("plain, prefix = \"ab\"", 253));
    for code in [named(241), prefixed(239), own("prefix = \"ab\"", 253)] {
        let errors = errors(&code);
        let [(text, _)] = &*errors else { panic!("{code}: {errors:?}") };
        assert!(text.contains("256 characters") && text.contains("shorten it by 1"), "{text}");
    }
    let errors = errors(&code(&format!("#[metric(name = \"{}\")] a: C", "a".repeat(256))));
    assert!(errors[0].0.contains("is longer than 255 characters"), "{errors:?}");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let code = "#[metrics(x, scope = \"A\", name = \"B\")] struct M { \
        #[metric(name = \"C\", unit = \"byte\", y, attributes(le = 1.5, 3))] c: C, \
        #[metric(flatten, unit = \"s\", prefix = \"D\")] d: D }";
    let places: Vec<String> = errors(code).into_iter().map(|(_, place)| place).collect();
    assert_eq!(
        places,
        ["x", "\"A\"", "\"B\"", "y", "\"C\"", "\"byte\"", "3", "le", "1.5", "unit", "\"D\""]
    );
}

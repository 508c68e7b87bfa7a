//! The derive as users see it: through `meterkit`.
#![deny(warnings)]

use std::borrow::Cow;

use meterkit::data::AttributeValue;
use meterkit::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Registry};

#[derive(Clone, Copy, LabelValue)]
enum Kind {
    Create,
    DryRun,
}

#[derive(Labels)]
struct Operation {
    kind: Kind,
    success: bool,
    cached: Option<bool>,
}

#[derive(Labels)]
struct Route<'a> {
    #[label(name = "http.route", max_values = 2)]
    route: &'a str,
    method: &'static str,
    user_agent: Cow<'a, str>,
    _status: u16,
    r#type: Option<String>,
}

/// Returns every possible value, in the order of the indexes.
fn all_operations() -> impl Iterator<Item = Operation> {
    [Kind::Create, Kind::DryRun].into_iter().flat_map(|kind| {
        [false, true].into_iter().flat_map(move |success| {
            let with = move |cached| Operation { kind, success, cached };
            [None, Some(false), Some(true)].map(with)
        })
    })
}

fn values(labels: &impl Labels) -> Vec<String> {
    struct Shown(Vec<String>);
    impl LabelVisitor for Shown {
        fn visit(&mut self, value: LabelRef<'_>) {
            self.0.push(format!("{value:?}"));
        }
    }
    let mut shown = Shown(Vec::new());
    labels.visit(&mut shown);
    shown.0
}

fn names(keys: &[LabelKey]) -> Vec<&'static str> {
    keys.iter().map(LabelKey::name).collect()
}

fn route(route: &str) -> Route<'_> {
    Route { route, method: "GET", user_agent: "curl".into(), _status: 200, r#type: None }
}

#[test]
fn each_field_is_a_label_in_order() {
    assert_eq!(names(Operation::KEYS), ["kind", "success", "cached"]);
    let operation = Operation { kind: Kind::DryRun, success: true, cached: None };
    assert_eq!(values(&operation), ["Static(\"dry_run\")", "Bool(true)", "Absent"]);
}

#[test]
fn keys_can_be_named_and_capped() {
    assert_eq!(names(Route::KEYS), ["http.route", "method", "user_agent", "status", "type"]);
    assert_eq!(Route::KEYS[0].value_limit(), Some(2));
    assert_eq!(Route::KEYS[1].value_limit(), None);
}

#[test]
fn only_text_that_lives_as_long_as_the_program_is_handed_out_as_such() {
    let shown = values(&route("/a"));
    assert_eq!(shown, ["Str(\"/a\")", "Static(\"GET\")", "Str(\"curl\")", "I64(200)", "Absent"]);
}

#[test]
fn a_closed_set_has_a_place_of_its_own_for_each_of_its_values() {
    let places: Vec<_> = all_operations().map(|operation| operation.index()).collect();
    assert_eq!(places, (0..12).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_set_with_an_open_or_a_capped_key_has_no_place() {
    #[derive(Labels)]
    struct Open {
        success: bool,
        tenant: String,
    }
    #[derive(Labels)]
    struct Capped {
        #[label(max_values = 1)]
        kind: Kind,
    }
    assert_eq!(Open { success: true, tenant: "a".to_owned() }.index(), None);
    assert_eq!(Capped { kind: Kind::Create }.index(), None);
}

#[test]
fn a_set_with_more_places_than_a_number_holds_has_none() {
    macro_rules! wide {
        ($($field:ident)*) => {
            #[derive(Labels)]
            struct Wide { $($field: bool),* }
            const WIDE: Wide = Wide { $($field: true),* };
        };
    }
    wide!(a0 a1 a2 a3 a4 a5 a6 a7 b0 b1 b2 b3 b4 b5 b6 b7 c0 c1 c2 c3 c4 c5 c6 c7 d0 d1 d2 d3 d4 d5 d6 d7
        e0 e1 e2 e3 e4 e5 e6 e7 f0 f1 f2 f3 f4 f5 f6 f7 g0 g1 g2 g3 g4 g5 g6 g7 h0 h1 h2 h3 h4 h5 h6 h7);
    assert_eq!(Wide::KEYS.len(), 64);
    assert_eq!(WIDE.index(), None);
}

#[test]
fn a_group_takes_labels_of_any_lifetime() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let requests = meter.counter_group::<Route, u64>("requests").build().unwrap();
    for text in [String::from("/a"), String::from("/a")] {
        requests.with(route(&text)).increment();
    }
    let labels = route("/a");
    requests.with(&labels).increment();
    assert_eq!(requests.with(route("/a")).value(), 3);
}

#[test]
fn values_beyond_the_cap_share_a_series() {
    let registry = Registry::new();
    let requests = registry
        .scoped("plugin", "catalog")
        .counter_group::<Route, u64>("requests")
        .build()
        .unwrap();
    for text in ["/a", "/b", "/c", "/d"] {
        requests.with(route(text)).increment();
    }
    assert_eq!(requests.with(route("/a")).value(), 1);
    assert_eq!(requests.with(route("/e")).value(), 2);
}

#[test]
fn each_closed_set_has_a_series_of_its_own() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let operations = meter.counter_group::<Operation, u64>("operations").build().unwrap();
    for (at, operation) in all_operations().enumerate() {
        operations.with(operation).add(at as u64);
    }
    let values: Vec<u64> =
        all_operations().map(|operation| operations.with(operation).value()).collect();
    assert_eq!(values, (0..12).collect::<Vec<_>>());
}

#[test]
fn type_parameters_are_values_of_labels() {
    #[derive(Labels)]
    struct Pair<'a, A, B: ?Sized, const N: usize>
    where
        A: Copy,
    {
        first: Option<A>,
        second: &'a B,
    }
    assert_eq!(names(Pair::<bool, str, 1>::KEYS), ["first", "second"]);
    let pair = Pair::<_, _, 1> { first: Some(true), second: "b" };
    assert_eq!(values(&pair), ["Bool(true)", "Str(\"b\")"]);
    assert_eq!(pair.index(), None);
    let closed = Pair::<_, _, 1> { first: Some(true), second: &false };
    assert_eq!(closed.index(), Some(4));
}

#[test]
fn types_that_belong_to_a_parameter_can_be_labels() {
    trait Api {
        type Kind;
    }
    struct Catalog;
    impl Api for Catalog {
        type Kind = Kind;
    }
    #[derive(Labels)]
    struct Call<A: Api> {
        kind: A::Kind,
    }
    assert_eq!(Call::<Catalog> { kind: Kind::DryRun }.index(), Some(1));
}

mod facade {
    pub(crate) use meterkit::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};
}

#[test]
fn the_path_of_meterkit_can_be_given() {
    #[derive(Labels)]
    #[label(crate = "crate::labels::facade")]
    struct Job {
        name: &'static str,
    }
    assert_eq!(values(&Job { name: "a" }), ["Static(\"a\")"]);
}

#[test]
fn names_in_scope_do_not_disturb_the_generated_code() {
    #[allow(dead_code, non_camel_case_types)]
    mod hidden {
        struct Option;
        struct LabelKey;
        struct usize;
        fn visit() {}

        #[derive(meterkit::Labels)]
        pub(super) struct Level {
            #[deprecated]
            pub(super) visitor: bool,
            pub(super) index: &'static str,
            pub(super) sets: ::core::primitive::usize,
        }
    }
    #[allow(deprecated)]
    let level = hidden::Level { visitor: true, index: "a", sets: 3 };
    assert_eq!(values(&level), ["Bool(true)", "Static(\"a\")", "I64(3)"]);
    assert_eq!(level.index(), None);
}

#[test]
fn keys_list_their_closed_values() {
    let text = |value: &str| Some(AttributeValue::from(value.to_owned()));
    assert_eq!(Operation::KEYS[0].closed_values(), Some(vec![text("create"), text("dry_run")]));
    assert_eq!(Route::KEYS[0].closed_values(), None);
}

/// Labels that several sets share.
#[derive(Clone, Copy, Labels)]
struct Peer<'a> {
    network: &'a str,
    inbound: bool,
}

#[derive(Labels)]
struct Message<'a> {
    kind: Kind,
    #[label(flatten)]
    peer: Peer<'a>,
    size: u32,
}

#[derive(Labels)]
struct Nested<'a, T> {
    #[label(flatten)]
    message: &'a Message<'a>,
    #[label(flatten)]
    other: Other<T>,
}

#[derive(Labels)]
struct Other<T> {
    other: T,
}

#[test]
fn a_flattened_set_has_its_keys_where_its_field_stands() {
    assert_eq!(names(Message::KEYS), ["kind", "network", "inbound", "size"]);
    let peer = Peer { network: "main", inbound: true };
    let message = Message { kind: Kind::Create, peer, size: 3 };
    let expected = ["Static(\"create\")", "Str(\"main\")", "Bool(true)", "I64(3)"];
    assert_eq!(values(&message), expected);

    let keys = names(Nested::<'_, bool>::KEYS);
    assert_eq!(keys, ["kind", "network", "inbound", "size", "other"]);
    let nested = Nested { message: &message, other: Other { other: true } };
    assert_eq!(values(&nested).len(), 5);
    assert_eq!(nested.index(), None);

    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let group = meter.counter_group::<Nested<bool>, u64>("messages").build().expect("good keys");
    group.with(&nested).increment();
    group.with(nested).increment();
    let scopes = registry.read();
    let data = &scopes[0].metrics[0].data;
    assert_eq!(data.len(), 1);
    let shown = format!("{:?}", data.attributes_at(0));
    for part in ["kind", "create", "network", "main", "inbound", "size", "other"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_closed_set_of_flattened_ones_has_a_place_for_each_of_its_values() {
    #[derive(Labels)]
    struct Retried {
        #[label(flatten)]
        operation: Operation,
        retried: bool,
        #[label(flatten)]
        hit: Other<bool>,
    }
    let all = all_operations().flat_map(|operation| {
        let Operation { kind, success, cached } = operation;
        [(false, false), (false, true), (true, false), (true, true)].map(|(retried, other)| {
            let operation = Operation { kind, success, cached };
            Retried { operation, retried, hit: Other { other } }
        })
    });
    let all: Vec<Retried> = all.collect();
    let places: Vec<_> = all.iter().map(Labels::index).collect();
    assert_eq!(places, (0..48).map(Some).collect::<Vec<_>>());

    // The store puts each series at the index that the set returns.
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let group = meter.counter_group::<Retried, u64>("runs").zero_initialized();
    let group = group.build().expect("closed labels");
    let counts: Vec<u64> = all
        .iter()
        .enumerate()
        .map(|(at, labels)| {
            group.with(labels).add(at as u64);
            group.with(labels).value()
        })
        .collect();
    assert_eq!(counts, (0..48).collect::<Vec<_>>());
}

#[test]
fn values_of_a_flattened_set_never_get_other_keys() {
    /// Passes one value too few or too many to the visitor.
    struct Handwritten(usize);
    impl Labels for Handwritten {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[LabelKey::new("a"), LabelKey::new("b")];

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            (0..self.0).for_each(|at| visitor.visit(LabelRef::U64(at as u64)));
        }
    }
    #[derive(Labels)]
    struct Set {
        #[label(flatten)]
        before: Handwritten,
        after: bool,
    }
    for (count, expected) in [
        (1, ["U64(0)", "Absent", "Bool(true)"]),
        (2, ["U64(0)", "U64(1)", "Bool(true)"]),
        (3, ["U64(0)", "U64(1)", "Bool(true)"]),
    ] {
        assert_eq!(values(&Set { before: Handwritten(count), after: true }), expected);
    }
}

#[test]
fn a_key_that_a_flattened_set_has_too_is_an_error_that_names_it() {
    #[derive(Labels)]
    struct Twice<'a> {
        #[label(flatten)]
        peer: Peer<'a>,
        network: &'a str,
    }
    let meter = Registry::new().scoped("plugin", "catalog");
    let error = meter.counter_group::<Twice, u64>("a").build().expect_err("a key twice");
    assert!(error.to_string().contains("`network`"), "{error}");
    let _ = Twice { peer: Peer { network: "a", inbound: false }, network: "b" };
}

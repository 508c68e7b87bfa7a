//! The derive as users have it: through `meterkit`.
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

/// All that there can be, in the order of their places.
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
fn closed_values_are_told_by_the_keys() {
    let text = |value: &str| Some(AttributeValue::from(value.to_owned()));
    assert_eq!(Operation::KEYS[0].closed_values(), Some(vec![text("create"), text("dry_run")]));
    assert_eq!(Route::KEYS[0].closed_values(), None);
}

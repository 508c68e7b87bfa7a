//! The derive as users see it: through `meterkit`.
#![deny(warnings)]

use meterkit::{LabelRef, LabelValue};

#[derive(LabelValue)]
enum Kind {
    Create,
    DryRun,
    #[label(name = "http.GET")]
    Get,
    r#Type,
    #[deprecated]
    GetAPIDocs,
}

#[test]
fn each_variant_gives_its_label() {
    let label = |kind: Kind| match kind.label() {
        LabelRef::Static(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(label(Kind::Create), "create");
    assert_eq!(label(Kind::DryRun), "dry_run");
    assert_eq!(label(Kind::Get), "http.GET");
    assert_eq!(label(Kind::Type), "type");
    #[allow(deprecated)]
    let old = Kind::GetAPIDocs;
    assert_eq!(label(old), "get_api_docs");
}

#[test]
fn each_variant_is_found_by_its_place() {
    assert_eq!(Kind::CARDINALITY, Some(5));
    for (place, kind) in [Kind::Create, Kind::DryRun, Kind::Get, Kind::Type].into_iter().enumerate()
    {
        assert_eq!(kind.index(), place);
        assert_eq!(Kind::nth(place), kind.label());
    }
    assert_eq!(Kind::nth(5), LabelRef::Absent);
}

#[test]
fn an_absent_value_has_no_label() {
    assert_eq!(Some(Kind::Create).label(), LabelRef::Static("create"));
    assert_eq!(None::<Kind>.label(), LabelRef::Absent);
}

mod facade {
    pub(crate) use meterkit::{LabelRef, LabelValue};
}

#[test]
fn the_path_of_meterkit_can_be_given() {
    #[derive(LabelValue)]
    #[label(crate = "crate::label_value::facade")]
    enum Outcome {
        Done,
    }
    assert_eq!(Outcome::Done.label(), LabelRef::Static("done"));
}

#[test]
fn names_in_scope_do_not_disturb_the_generated_code() {
    #[derive(LabelValue)]
    enum Level<const N: usize> {
        Static,
        LabelRef,
    }
    assert_eq!(Level::<1>::Static.label(), LabelRef::Static("static"));
    assert_eq!(Level::<1>::LabelRef.label(), LabelRef::Static("label_ref"));
}

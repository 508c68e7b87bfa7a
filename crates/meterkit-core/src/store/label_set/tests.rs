//! Tests that packing loses nothing.

use super::*;

fn text(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::from(text.to_owned()))
}

fn all() -> Vec<Option<AttributeValue>> {
    let long = "ü".repeat(5_000);
    let list = [AttributeValue::from(1.5), AttributeValue::from("ö".to_owned())];
    let mut values = vec![
        None,
        text(""),
        text("a"),
        text(&"é".repeat(49)),
        text(&"x".repeat(99)),
        text(&"x".repeat(100)),
        text(&long),
        Some(AttributeValue::from("a text of the program")),
        Some(AttributeValue::Bool(false)),
        Some(AttributeValue::Bool(true)),
        Some(AttributeValue::F64(f64::NAN)),
        Some(AttributeValue::F64(-0.0)),
        Some(AttributeValue::List([].into())),
        Some(AttributeValue::List(list.into())),
    ];
    let integers = [0, 1, -1, 127, 128, i64::MAX, i64::MIN];
    values.extend(integers.map(|number| Some(AttributeValue::I64(number))));
    values
}

#[test]
fn values_come_back_as_they_were_packed() {
    let labels = LabelSet::declared(all());
    let values: Vec<_> = labels.values().map(|value| value.map(AttributeValue::from)).collect();
    assert_eq!(values, all());
    assert!(!labels.is_empty());
    assert!(LabelSet::none().is_empty() && LabelSet::declared([]).is_empty());
}

#[test]
fn each_key_set_comes_back() {
    for id in [0, 1, 126, 127, 128, 999, KeySetId::OVERFLOW.0] {
        let labels = LabelSet::new(KeySetId(id), [None, text("x")]);
        assert_eq!(labels.keys(), KeySetId(id));
        assert_eq!(labels.values().count(), 2, "{id}");
        assert_eq!(labels.is_declared(), id == 0);
    }
    assert_eq!(LabelSet::none().keys(), KeySetId::DECLARED);
}

#[test]
fn a_text_is_the_same_wherever_it_lives() {
    let one = LabelSet::declared([Some(AttributeValue::from("wherever it lives"))]);
    let other = LabelSet::declared([text("wherever it lives")]);
    let hasher = RandomState::default();
    assert_eq!(one, other);
    assert_eq!(hasher.hash_one(&one), hasher.hash_one(&other));
    assert_eq!(hash_declared(&hasher, &one), hash_declared(&hasher, &other));
    assert_ne!(one, LabelSet::declared([text("elsewhere")]));
    assert_ne!(one, LabelSet::new(KeySetId(1), [text("wherever it lives")]));
}

#[test]
fn texts_of_the_program_take_two_characters_until_there_are_too_many() {
    let packed = |n: usize| {
        let text: &'static str = Box::leak(format!("leaked text {n}").into_boxed_str());
        let labels = LabelSet::declared([Some(AttributeValue::from(text))]);
        assert_eq!(labels.values().next(), Some(Some(AttributeRef::Str(text))));
        labels.0.len()
    };
    assert_eq!(packed(0), 2);
    let sizes: Vec<usize> = (1..3_000).map(packed).collect();
    assert_eq!(sizes.last(), Some(&(1 + "leaked text 2999".len())));
}

/// Labels that a test creates.
struct Made<'a>(&'a [LabelRef<'a>]);

impl Labels for Made<'_> {
    type Set = Made<'static>;
    const KEYS: &'static [crate::LabelKey] = &[];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.0.iter().for_each(|label| visitor.visit(*label));
    }
}

/// Returns whether labels plainly equal the stored ones, and whether they equal them at all.
fn compare(labels: &[LabelRef<'_>], stored: &LabelSet) -> (bool, bool) {
    let labels = &Made(labels);
    (is_plainly(labels, stored), Declared { labels, key_count: 1 }.is(stored))
}

#[test]
fn labels_are_told_apart_whatever_they_are() {
    let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let short = leaked("a text that several parts write");
    let longer = leaked("a text that several parts of a program may write");
    let long = "x".repeat(300);
    // Another test may have used up all numbers.
    let are_numbered = [short, longer].map(|it| LabelSet::declared([Some(it.into())]).0.len());
    let are_numbered = are_numbered == [2, 2];
    let plain = [
        LabelRef::Static(short),
        LabelRef::Static(longer),
        LabelRef::Str("a text of a request, thirty-three characters and more"),
        LabelRef::Str(""),
        LabelRef::Absent,
        LabelRef::Bool(false),
        LabelRef::Bool(true),
        LabelRef::I64(0),
        LabelRef::I64(i64::MIN),
    ];
    let others = [LabelRef::Str(&long), LabelRef::U64(u64::MAX), LabelRef::Static("")];
    let all: Vec<_> = plain.into_iter().chain(others).collect();
    for (at, label) in all.iter().enumerate() {
        let stored = LabelSet::declared([label.to_value()]);
        for other in &all {
            let is_it = label.to_value() == other.to_value();
            let (is_plainly, is) = compare(&[*other], &stored);
            assert_eq!(is, is_it, "{label:?}, {other:?}");
            assert!(is_it || !is_plainly, "{label:?}, {other:?}");
        }
        let may_be_other =
            at >= plain.len() || (matches!(label, LabelRef::Static(_)) && !are_numbered);
        assert!(may_be_other || compare(&[*label], &stored).0, "{label:?}");
        let of_others = LabelSet::new(KeySetId(1), [label.to_value()]);
        assert_eq!(compare(&[*label], &of_others), (false, false), "{label:?}");
    }
    // Copies of static texts, and the same text from elsewhere.
    let stored = LabelSet::declared([text("a"), Some(short.into()), Some(longer.into())]);
    let copies = [LabelRef::Str("a"), LabelRef::Static(leaked(short)), LabelRef::Static(longer)];
    assert_eq!(compare(&copies, &stored), (are_numbered, true));
    let copies = [LabelRef::Str("a"), LabelRef::Str(short), LabelRef::Static(leaked(longer))];
    assert_eq!(compare(&copies, &stored), (false, true));
    // Values beyond the last key are ignored, and missing ones are absent.
    assert!(
        compare(
            &[LabelRef::Bool(true), LabelRef::I64(1)],
            &LabelSet::declared([Some(true.into())])
        )
        .1
    );
    assert!(compare(&[LabelRef::Bool(true)], &LabelSet::declared([Some(true.into()), None])).1);
    assert!(
        !compare(&[LabelRef::Bool(true)], &LabelSet::declared([Some(true.into()), text("a")])).1
    );
}

//! Packing loses nothing.

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

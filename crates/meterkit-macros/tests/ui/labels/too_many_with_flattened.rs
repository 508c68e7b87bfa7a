use meterkit::{LabelKey, LabelVisitor, Labels};

struct Many;

impl Labels for Many {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("key"); 64];

    fn visit(&self, _: &mut impl LabelVisitor) {}
}

#[derive(Labels)]
struct Request {
    #[label(flatten)]
    many: Many,
    cached: bool,
}

fn main() {}

//! What removed series take of memory: not seen from outside.

use super::*;
use crate::instrument::Counter;
use crate::kind::Kind;
use crate::labels::{LabelValue, LabelVisitor};
use crate::number::NumberType;
use crate::store::clock::Clock;
use crate::store::identity::Identity;
use crate::store::settings::Settings;
use crate::store::shared::Door;

struct Id(u64);

impl Labels for Id {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("id")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

#[test]
fn series_that_are_removed_take_no_memory() {
    let settings = Arc::new(Settings::new(Clock::system()));
    let identity = Identity::bare("requests".to_owned(), Kind::Counter, NumberType::U64);
    let attributes = Arc::default();
    let shared =
        Shared::new(identity, "requests".into(), attributes, settings.clone(), Door::Facade);
    let shared = Arc::new(shared);
    shared.declare(Id::KEYS).expect("the first keys");
    let options = GroupOptions { limit: Some(10), ..GroupOptions::default() };
    let common = Common::new(settings);
    common.room.declare(options);
    let group = SeriesGroup::<Counter>::declared(Id::KEYS, Arc::new(common));
    let Members::Open(open) = &group.members else { panic!("an open label set") };
    let kept = || open.places() + open.later_len();
    for id in 0..1000 {
        group.with(&Id(id), &shared).increment();
        assert!(group.remove(&Id(id)));
        assert!(kept() <= 10, "nobody reads, and {} series are kept", kept());
    }
    for id in 1000..2000 {
        group.with(&Id(id), &shared).increment();
        if id % 5 == 4 {
            group.clear();
            assert!(kept() <= 10, "nobody reads, and {} series are kept", kept());
        }
    }
    let held = group.with(&Id(5000), &shared);
    assert!(group.remove(&Id(5000)));
    assert_eq!(kept(), 11, "what someone may record in stays");
    held.increment();
    assert_eq!(group.with(&Id(5000), &shared).value(), 1);
}

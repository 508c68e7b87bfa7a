//! The metrics that mimalloc reports as the allocator of this process.
#![cfg(feature = "mimalloc")]

mod readings;

use std::hint::black_box;
use std::time::Duration;

use meterkit_core::Registry;
use mimalloc::MiMalloc;

use self::readings::{kind_and_unit, value};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[test]
fn allocating_memory_changes_the_metrics() {
    const SIZE: f64 = 64.0 * 1024.0 * 1024.0;
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_secs(60));
    let observed = meterkit_runtime::mimalloc::observe(&registry).unwrap();
    let now = |name| {
        registry.refresh();
        value(&registry, name, &[]).unwrap_or_else(|| panic!("no {name}"))
    };
    let before = now("mimalloc.memory.committed");
    let block = black_box(vec![1_u8; SIZE as usize]);
    let more = now("mimalloc.memory.committed") - before;
    assert!(more > SIZE * 0.5, "{more}");
    assert!(now("mimalloc.memory.reserved") >= now("mimalloc.memory.committed"));
    assert!(now("mimalloc.page.count") >= 1.0);
    assert!(now("mimalloc.thread.count") >= 1.0);
    drop(block);

    for (name, unit) in [
        ("mimalloc.memory.committed", "By"),
        ("mimalloc.memory.reserved", "By"),
        ("mimalloc.page.count", "{page}"),
        ("mimalloc.thread.count", "{thread}"),
    ] {
        assert_eq!(kind_and_unit(&registry, name), Some(("updowncounter", unit.to_owned())));
    }
    drop(observed);
    assert_eq!(value(&registry, "mimalloc.memory.committed", &[]), None);
}

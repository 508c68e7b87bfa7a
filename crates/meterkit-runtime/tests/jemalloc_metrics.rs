//! The metrics that jemalloc reports as the allocator of this process.
#![cfg(feature = "jemalloc")]

mod readings;

use std::hint::black_box;
use std::time::Duration;

use meterkit_core::Registry;
use tikv_jemallocator::Jemalloc;

use self::readings::{kind_and_unit, value};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const METRICS: [&str; 6] = [
    "jemalloc.memory.allocated",
    "jemalloc.memory.active",
    "jemalloc.memory.metadata",
    "jemalloc.memory.resident",
    "jemalloc.memory.mapped",
    "jemalloc.memory.retained",
];

#[test]
fn allocating_and_freeing_memory_changes_the_metrics() {
    const SIZE: f64 = 64.0 * 1024.0 * 1024.0;
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_secs(60));
    let observed = meterkit_runtime::jemalloc::observe(&registry).unwrap();
    let now = || {
        registry.refresh();
        METRICS.map(|name| value(&registry, name, &[]).unwrap_or_else(|| panic!("no {name}")))
    };
    let before = now();
    let block = black_box(vec![1_u8; SIZE as usize]);
    let with_block = now();
    for (at, name) in METRICS.iter().enumerate().filter(|(_, name)| {
        ["allocated", "active", "resident"].iter().any(|suffix| name.ends_with(suffix))
    }) {
        let more = with_block[at] - before[at];
        assert!(more > SIZE * 0.9, "{name}: {more}");
    }
    assert!(with_block[4] >= with_block[1], "mapped memory includes active memory");
    drop(block);
    assert!(now()[0] < with_block[0] - SIZE * 0.9);

    for name in METRICS {
        assert_eq!(kind_and_unit(&registry, name), Some(("updowncounter", "By".to_owned())));
    }
    drop(observed);
    assert_eq!(value(&registry, METRICS[0], &[]), None);
}

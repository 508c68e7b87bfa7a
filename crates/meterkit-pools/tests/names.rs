//! Names, kinds and units of the metrics, and names of pools.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use meterkit_core::Data;
use meterkit_fakes::readings::metric;
use meterkit_pools::{ConnectionPool, PoolState, observe, observe_in};

use crate::seen::{pools, registry};

/// A pool of a crate that this crate does not support.
#[derive(Clone, Default)]
struct Other {
    state: PoolState,
    is_closed: Arc<AtomicBool>,
}

impl Other {
    fn with(state: PoolState) -> Self {
        Self { state, ..Self::default() }
    }
}

impl ConnectionPool for Other {
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
        let pool = self.clone();
        move || (!pool.is_closed.load(SeqCst)).then_some(pool.state)
    }
}

/// Returns a pool in which every number is different.
fn everything() -> Other {
    Other::with(PoolState {
        idle: 1,
        used: 2,
        max: Some(3),
        idle_max: Some(4),
        idle_min: Some(5),
        pending_requests: Some(6),
        timeouts: Some(7),
    })
}

#[test]
fn names_kinds_and_units_follow_the_semantic_conventions() {
    let registry = registry();
    let _observed = observe_in(&registry, &everything(), "main").unwrap();
    assert_eq!(
        pools(&registry),
        [
            "count{pool.name=main,state=idle} 1",
            "count{pool.name=main,state=used} 2",
            "max{pool.name=main} 3",
            "idle.max{pool.name=main} 4",
            "idle.min{pool.name=main} 5",
            "pending_requests{pool.name=main} 6",
            "timeouts{pool.name=main} 7",
        ]
    );
    for (name, is_counter, unit) in [
        ("count", false, "{connection}"),
        ("max", false, "{connection}"),
        ("idle.max", false, "{connection}"),
        ("idle.min", false, "{connection}"),
        ("pending_requests", false, "{request}"),
        ("timeouts", true, "{timeout}"),
    ] {
        let metric = metric(&registry, &format!("db.client.connection.{name}")).unwrap();
        let Data::Sum { monotonic, .. } = metric.data else { panic!("{name} is not a sum") };
        assert_eq!((monotonic, &*metric.descriptor.unit), (is_counter, unit), "{name}");
        assert!(!metric.descriptor.description.is_empty(), "{name}");
    }
}

#[test]
fn metrics_that_a_pool_cannot_provide_are_left_out() {
    let registry = registry();
    let pool = Other::with(PoolState { used: 4, ..PoolState::default() });
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    let expected = ["count{pool.name=main,state=idle} 0", "count{pool.name=main,state=used} 4"];
    assert_eq!(pools(&registry), expected);
}

#[test]
fn pools_of_one_name_are_all_exported_under_different_names() {
    let registry = registry();
    let pool = |used| Other::with(PoolState { used, max: Some(used), ..PoolState::default() });
    let first = observe_in(&registry, &pool(1), "main").unwrap();
    let _second = observe_in(&registry, &pool(2), "main").unwrap();
    let maxima = || pools(&registry).into_iter().filter(|line| line.starts_with("max")).collect();
    let both: Vec<_> = maxima();
    assert_eq!(both, ["max{pool.name=main} 1", "max{pool.name=main-2} 2"]);

    drop(first);
    let second: Vec<_> = maxima();
    assert_eq!(second, ["max{pool.name=main-2} 2"]);
    let _third = observe_in(&registry, &pool(3), "main").unwrap();
    let both: Vec<_> = maxima();
    assert_eq!(both, ["max{pool.name=main} 3", "max{pool.name=main-2} 2"]);
}

#[test]
fn a_pool_is_observed_until_its_guard_is_dropped() {
    let registry = registry();
    let pool = everything();
    let observed = observe_in(&registry, &pool, "main").unwrap();
    assert_eq!(Arc::strong_count(&pool.is_closed), 2);
    assert_eq!(pools(&registry).len(), 7);
    drop(observed);
    assert_eq!(pools(&registry), [""; 0]);
    assert_eq!(Arc::strong_count(&pool.is_closed), 1, "the callback no longer holds the pool");
}

#[test]
fn a_closed_pool_is_left_out() {
    let registry = registry();
    let pool = everything();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    assert_eq!(pools(&registry).len(), 7);
    pool.is_closed.store(true, SeqCst);
    assert_eq!(pools(&registry), [""; 0]);
}

#[test]
fn the_short_form_observes_in_the_global_registry() {
    let _observed = observe(&everything(), "global").unwrap();
    let seen = pools(meterkit_core::Registry::global());
    assert!(seen.contains(&"max{pool.name=global} 3".to_owned()), "{seen:?}");
}

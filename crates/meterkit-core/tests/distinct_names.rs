//! Names of pools, task monitors and similar objects, which distinguish their series.

use meterkit_core::Registry;
use meterkit_fakes::log_lines;

#[test]
fn a_name_that_is_in_use_is_numbered_and_the_log_names_both() {
    let registry = Registry::new();
    let (names, log) =
        log_lines::of(|| ["main", "main", "main"].map(|name| registry.distinct_name("pool", name)));
    assert_eq!(names.each_ref().map(|name| &**name), ["main", "main-2", "main-3"]);
    assert_eq!(log.len(), 2, "{log:?}");
    let expected = "the name is already in use in this registry: `main-2` is used instead; use a different name";
    assert!(log[0].contains(expected) && log[0].contains("main"), "{log:?}");
}

#[test]
fn a_name_is_free_again_once_it_is_dropped() {
    let registry = Registry::new();
    let first = registry.distinct_name("pool", "main");
    let second = registry.distinct_name("pool", "main");
    drop(first);
    assert_eq!(&*registry.distinct_name("pool", "main"), "main");
    drop(second);
    let _first = registry.distinct_name("pool", "main");
    assert_eq!(&*registry.distinct_name("pool", "main"), "main-2");
}

#[test]
fn other_labels_and_other_registries_have_names_of_their_own() {
    let registries = [Registry::new(), Registry::new()];
    let _pool = registries[0].distinct_name("pool", "main");
    assert_eq!(&*registries[0].distinct_name("tasks", "main"), "main");
    assert_eq!(&*registries[1].distinct_name("pool", "main"), "main");
}

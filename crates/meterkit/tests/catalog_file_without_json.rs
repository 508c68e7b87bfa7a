//! Without the feature `catalog-json`, a catalog can be compared only as Markdown.

use std::panic::catch_unwind;

use meterkit::Registry;
use meterkit::testing::assert_catalog;

#[test]
fn a_json_file_fails_and_names_the_feature_that_it_needs() {
    let outcome = catch_unwind(|| assert_catalog(&Registry::new().catalog(), "metrics.json"));
    let message = *outcome.expect_err("it fails").downcast::<String>().expect("a message");
    assert!(message.starts_with("metrics.json needs the feature `catalog-json`"), "{message}");
}

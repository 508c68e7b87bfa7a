//! The error for each mistake with a derive or with callbacks. Mistakes that a derive finds are in one file per kind; one that
//! the compiler finds has a file of its own, because it may hide others. A binary of its own, which needs no other test.
//!
//! Another version of the compiler may word its errors differently; `TRYBUILD=overwrite` writes them again.

#[test]
fn each_mistake_is_told_where_it_is() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}

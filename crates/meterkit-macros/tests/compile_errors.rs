//! The error for each mistake with a derive or with callbacks. Mistakes that a derive reports share a file per kind. A
//! mistake that the compiler reports has a file of its own, because it may hide other errors. These tests are a
//! separate binary, so that they can run without the others.
//!
//! Other compiler versions may word their errors differently; `TRYBUILD=overwrite` rewrites the expected output.

#[test]
fn each_mistake_is_reported_where_it_is() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}

//! What the compiler says to each mistake, with a derive or with callbacks: one file per mistake, the text next to it.
//!
//! A compiler may word its own errors in another way than the one that wrote the texts; `TRYBUILD=overwrite` with the
//! test writes them anew.

#[test]
fn each_mistake_is_told_where_it_is() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}

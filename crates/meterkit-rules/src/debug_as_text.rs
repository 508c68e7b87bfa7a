//! The `Debug` output of errors.

/// Implements `Debug` for errors with the text of `Display`, because a failing `main` and `unwrap` print `Debug`.
#[macro_export]
macro_rules! debug_as_text {
    ($($error:ty),+ $(,)?) => {$(
        impl ::core::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self, f)
            }
        }
    )+};
}

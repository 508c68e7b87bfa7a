//! Enumerations whose values are words in settings, where each word is declared once.

use std::fmt;

use crate::value_type::ValueType;

/// An enumeration whose values are words in settings. Implemented by [`words!`](crate::words!).
pub trait Words: Copy + 'static {
    /// The word of each value.
    const WORDS: &'static [&'static str];
    /// The values, in the order of their words.
    const VALUES: &'static [Self];
    /// Further words that are accepted, with the values that they stand for.
    const ALSO: &'static [(&'static str, Self)];

    /// Returns the value of a word, in upper or lower case.
    fn find(word: &str) -> Option<Self> {
        let is_it = |known: &str| known.eq_ignore_ascii_case(word);
        let words = Self::WORDS.iter().zip(Self::VALUES).map(|(word, value)| (*word, *value));
        let found = words.chain(Self::ALSO.iter().copied()).find(|(known, _)| is_it(known));
        found.map(|(_, value)| value)
    }
}

/// The error for a word that an enumeration does not have.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownWord {
    word: String,
    accepted: &'static [&'static str],
}

meterkit_rules::debug_as_text!(UnknownWord);

impl UnknownWord {
    /// Creates the error for a word that `T` does not have.
    pub fn new<T: Words>(word: &str) -> Self {
        Self { word: word.to_owned(), accepted: T::WORDS }
    }
}

impl std::error::Error for UnknownWord {}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is unknown; write {}", self.word, ValueType::Word(self.accepted))
    }
}

/// Declares the words of an enumeration, and implements [`Words`], `as_str`, `Display` and `FromStr` with them.
///
/// ```
/// use meterkit_settings::words;
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// pub enum Color {
///     Red,
///     Grey,
/// }
///
/// words! {
///     Color {
///         Red = "red",
///         Grey = "grey" | "gray",
///     }
/// }
///
/// assert_eq!(Color::Grey.as_str(), "grey");
/// assert_eq!("GRAY".parse(), Ok(Color::Grey));
/// let error = "blue".parse::<Color>().unwrap_err();
/// assert_eq!(error.to_string(), "`blue` is unknown; write `red` or `grey`");
/// ```
#[macro_export]
macro_rules! words {
    ($type:ident { $($value:ident = $word:literal $(| $also:literal)*),* $(,)? }) => {
        impl $crate::Words for $type {
            const WORDS: &'static [&'static str] = &[$($word),*];
            const VALUES: &'static [Self] = &[$(Self::$value),*];
            const ALSO: &'static [(&'static str, Self)] = &[$($(($also, Self::$value),)*)*];
        }

        impl $type {
            /// Returns the word that settings use for this value.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word),*
                }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        /// Accepts words in upper or lower case.
        impl ::std::str::FromStr for $type {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                <Self as $crate::Words>::find(text)
                    .ok_or_else(|| $crate::UnknownWord::new::<Self>(text))
            }
        }
    };
}

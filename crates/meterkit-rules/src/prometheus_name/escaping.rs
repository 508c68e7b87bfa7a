//! Prometheus' escaping schemes: how names are written for readers that cannot read all characters.

use std::borrow::Cow;
use std::fmt::Write;

use super::translation::{is_legal_in_family, is_legal_in_label};
use super::{is_legal_family, is_legal_label};

/// How names with characters beyond Prometheus' legacy character set are written for a reader: the parameter `escaping`
/// of `Accept` and `Content-Type`.
///
/// Specification: Prometheus' "UTF-8 Escaping Schemes". A [`Translation`](super::Translation) is applied first; the
/// scheme then applies to the translated names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Escaping {
    /// `allow-utf-8`: names stay unchanged, in quotes where necessary.
    AllowUtf8,
    /// `underscores`: illegal characters become `_`. Used for readers that ask for no scheme.
    #[default]
    Underscores,
    /// `dots`: `.` becomes `_dot_`, `_` becomes `__`, and all other illegal characters become `__`.
    Dots,
    /// `values`: an illegal name gets the prefix `U__`, and its illegal characters become their code points in
    /// hexadecimal, as in `U__http_2e_requests`.
    Values,
}

impl Escaping {
    /// All schemes.
    pub const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// Returns the scheme's name in `Accept` and `Content-Type`, such as `allow-utf-8`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Returns the name of a family in this scheme. Borrows a name that does not change.
    pub(super) fn family(self, name: &str) -> Cow<'_, str> {
        self.escape(name, is_legal_family(name), is_legal_in_family)
    }

    /// Returns the name of a label in this scheme. Borrows a name that does not change.
    #[inline]
    pub(super) fn label(self, name: &str) -> Cow<'_, str> {
        if self == Self::AllowUtf8 {
            return Cow::Borrowed(name);
        }
        self.escape(name, is_legal_label(name), is_legal_in_label)
    }

    fn escape(self, name: &str, is_legal: bool, may_stay: fn(char) -> bool) -> Cow<'_, str> {
        let stays = |at: usize, c: char| may_stay(c) && !(at == 0 && c.is_ascii_digit());
        let characters = name.chars().enumerate();
        match self {
            Self::AllowUtf8 => Cow::Borrowed(name),
            Self::Underscores | Self::Values if is_legal => Cow::Borrowed(name),
            Self::Underscores => {
                characters.map(|(at, c)| if stays(at, c) { c } else { '_' }).collect()
            }
            Self::Dots => {
                let mut escaped = String::with_capacity(name.len() + 8);
                for (at, c) in characters {
                    match c {
                        '.' => escaped.push_str("_dot_"),
                        c if c != '_' && stays(at, c) => escaped.push(c),
                        _ => escaped.push_str("__"),
                    }
                }
                Cow::Owned(escaped)
            }
            Self::Values => {
                let mut escaped = String::from("U__");
                for (at, c) in characters {
                    match c {
                        '_' => escaped.push_str("__"),
                        c if stays(at, c) => escaped.push(c),
                        // Writing to a `String` does not fail.
                        c => drop(write!(escaped, "_{:x}_", u32::from(c))),
                    }
                }
                Cow::Owned(escaped)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_escapes_names_of_families() {
        for (name, underscores, dots, values) in [
            ("requests", "requests", "requests", "requests"),
            ("a_b:c", "a_b:c", "a__b:c", "a_b:c"),
            ("a.b_total", "a_b_total", "a_dot_b__total", "U__a_2e_b__total"),
            ("1a", "_a", "__a", "U___31_a"),
            ("größe", "gr__e", "gr____e", "U__gr_f6__df_e"),
            ("x😀y", "x_y", "x__y", "U__x_1f600_y"),
            ("\u{10ffff}", "_", "__", "U___10ffff_"),
            ("a\0\n", "a__", "a____", "U__a_0__a_"),
            ("_", "_", "__", "_"),
        ] {
            let found = Escaping::ALL.map(|it| it.family(name).into_owned());
            assert_eq!(found, [name, underscores, dots, values], "{name}");
            assert!(found[1..].iter().all(|it| is_legal_family(it)), "{found:?}");
        }
    }

    #[test]
    fn labels_have_no_colons_after_escaping() {
        let found = Escaping::ALL.map(|it| it.label("a:b.c").into_owned());
        assert_eq!(found, ["a:b.c", "a_b_c", "a__b_dot_c", "U__a_3a_b_2e_c"]);
    }
}

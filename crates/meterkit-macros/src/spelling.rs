//! `rename_all = ".."`: how field and variant names are spelled, with serde's words and rules.

use syn::Error;

use crate::problems::Problems;
use crate::setting::Setting;

/// An example of the setting, for error messages.
pub(crate) const EXAMPLE: &str = "rename_all = \"camelCase\"";

/// One of serde's rules.
#[derive(Clone, Copy)]
pub(crate) enum Spelling {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const WORDS: [(&str, Spelling); 8] = [
    ("lowercase", Spelling::Lower),
    ("UPPERCASE", Spelling::Upper),
    ("PascalCase", Spelling::Pascal),
    ("camelCase", Spelling::Camel),
    ("snake_case", Spelling::Snake),
    ("SCREAMING_SNAKE_CASE", Spelling::ScreamingSnake),
    ("kebab-case", Spelling::Kebab),
    ("SCREAMING-KEBAB-CASE", Spelling::ScreamingKebab),
];

impl Spelling {
    /// Returns the spelling that `rename_all` selects, if it is one of the `settings`.
    pub(crate) fn read(settings: &[Setting], problems: &mut Problems) -> Option<Self> {
        let setting = settings.iter().find(|setting| setting.name == "rename_all")?;
        let text = problems.take(setting.text())?;
        let word = text.value();
        let known = WORDS.iter().find(|(known, _)| *known == word);
        if known.is_none() {
            let words = WORDS.map(|(known, _)| format!("`{known}`")).join(", ");
            let rule = format!("`rename_all` does not know `{word}`; write one of {words}");
            problems.add(Error::new_spanned(text, rule));
        }
        known.map(|(_, spelling)| *spelling)
    }

    /// Returns the name of a field, which is written in snake_case.
    pub(crate) fn of_field(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => {
                name.split('_').map(|word| first_as(word, char::to_ascii_uppercase)).collect()
            }
            Self::Camel => first_as(&Self::Pascal.of_field(name), char::to_ascii_lowercase),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Returns the name of a variant, which is written in PascalCase.
    pub(crate) fn of_variant(self, name: &str) -> String {
        match self {
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Pascal => name.to_owned(),
            Self::Camel => first_as(name, char::to_ascii_lowercase),
            Self::Snake => {
                let mut snake = String::new();
                for c in name.chars() {
                    if c.is_uppercase() && !snake.is_empty() {
                        snake.push('_');
                    }
                    snake.push(c.to_ascii_lowercase());
                }
                snake
            }
            Self::ScreamingSnake => Self::Snake.of_variant(name).to_ascii_uppercase(),
            Self::Kebab => Self::Snake.of_variant(name).replace('_', "-"),
            Self::ScreamingKebab => Self::ScreamingSnake.of_variant(name).replace('_', "-"),
        }
    }
}

fn first_as(word: &str, change: fn(&char) -> char) -> String {
    let mut chars = word.chars();
    chars.next().iter().map(change).chain(chars).collect()
}

//! Words that Grafana shows.

/// Stands between two characters without being seen.
const WORD_JOINER: char = '\u{2060}';

/// Words as they are. Grafana replaces `$name`, `${name}` and `[[name]]` by the value of a variable, and knows no
/// escape for it: where words look so, something invisible keeps it from that.
pub(crate) fn shown(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut chars = words.chars().peekable();
    while let Some(c) = chars.next() {
        shown.push(c);
        let next = chars.peek().copied();
        let begins_variable = match c {
            '$' => next.is_some_and(|c| c == '{' || c == '_' || c.is_ascii_alphanumeric()),
            '[' => next == Some('['),
            _ => false,
        };
        if begins_variable {
            shown.push(WORD_JOINER);
        }
    }
    shown
}

/// The same in one line.
pub(crate) fn title(words: &str) -> String {
    shown(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_variable_is_shown_as_it_is() {
        for (words, expected) in [
            ("costs 5 $", "costs 5 $"),
            ("$service", "$\u{2060}service"),
            ("${service:raw}", "$\u{2060}{service:raw}"),
            ("[[service]] [x]", "[\u{2060}[service]] [x]"),
            ("$$a", "$$\u{2060}a"),
            ("\"a\\\nb", "\"a\\\nb"),
        ] {
            assert_eq!(shown(words), expected, "{words:?}");
        }
    }

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(title(" a\n\tb "), "a b");
    }
}

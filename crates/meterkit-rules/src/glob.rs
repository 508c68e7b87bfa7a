//! Patterns with wildcards.

/// Returns whether `text` matches `pattern`, where `*` matches any text including the empty one, and `?` matches any
/// single character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.chars();
    let mut rest = text.chars();
    // Where to resume when the text after the last `*` does not match: the `*` then takes one more character.
    let mut retry = None;
    loop {
        let before = pattern.clone();
        match pattern.next() {
            Some('*') => {
                retry = Some((pattern.clone(), rest.clone()));
                continue;
            }
            None if rest.as_str().is_empty() => return true,
            Some(expected) => match rest.next() {
                Some(found) if expected == '?' || expected == found => continue,
                None if before.as_str().chars().all(|c| c == '*') => return true,
                _ => {}
            },
            None => {}
        }
        let Some((after_star, mut from)) = retry else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        pattern = after_star.clone();
        rest = from.clone();
        retry = Some((after_star, from));
    }
}

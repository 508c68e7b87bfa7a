//! Patterns with wildcards.

/// Returns whether `text` is what `pattern` says, in which `*` stands for any text, also none, and `?` for any one
/// character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.chars();
    let mut rest = text.chars();
    // Where to go on when what follows the last `*` does not fit: it takes one character more.
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

//! The differences between two texts, by line.

/// Returns the lines that are only in `before`, marked with `-`, and the lines that are only in `now`, marked with `+`;
/// empty if the texts are equal. Line endings do not matter.
pub(super) fn differences(before: &str, now: &str) -> String {
    let before: Vec<_> = before.lines().collect();
    let now: Vec<_> = now.lines().collect();
    let common = common_after(&before, &now);

    let mut out = String::new();
    let (mut at, mut with) = (0, 0);
    while at < before.len() || with < now.len() {
        if at < before.len() && with < now.len() && before[at] == now[with] {
            at += 1;
            with += 1;
        } else if with == now.len()
            || (at < before.len() && common[at + 1][with] >= common[at][with + 1])
        {
            out.push_str(&format!("  - {}\n", before[at]));
            at += 1;
        } else {
            out.push_str(&format!("  + {}\n", now[with]));
            with += 1;
        }
    }
    out
}

/// Returns the length of the longest common subsequence of lines from each pair of positions on.
fn common_after(before: &[&str], now: &[&str]) -> Vec<Vec<u32>> {
    let mut common = vec![vec![0; now.len() + 1]; before.len() + 1];
    for at in (0..before.len()).rev() {
        for with in (0..now.len()).rev() {
            common[at][with] = if before[at] == now[with] {
                common[at + 1][with + 1] + 1
            } else {
                common[at + 1][with].max(common[at][with + 1])
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn lines_that_went_came_or_moved_are_marked_and_no_others() {
        for (before, now, expected) in [
            ("a\nb\nc\n", "a\nb\nc\n", ""),
            ("a\r\nb\r\n", "a\nb\n", ""),
            ("a\nb\nc\n", "a\nx\nc\n", "  - b\n  + x\n"),
            ("a\nb\n", "a\nb\nc\n", "  + c\n"),
            ("a\nb\nc\n", "b\nc\n", "  - a\n"),
            ("a\nb\nc\n", "b\nc\na\n", "  - a\n  + a\n"),
            ("", "a\n", "  + a\n"),
            ("a\n", "", "  - a\n"),
        ] {
            assert_eq!(differences(before, now), expected, "{before:?} and {now:?}");
        }
    }
}

//! What holds for the variables of every target that reads some by itself.

use super::*;

/// What one variable does.
pub(super) struct Row {
    pub(super) variable: &'static str,
    /// What else is set, so that it matters.
    pub(super) beside: Variables,
    /// Values, and a part of the settings that come of them.
    pub(super) valid: Variables,
    /// Values, and how what is said of them begins, behind the variable's name.
    pub(super) invalid: Variables,
}

pub(super) type Variables = &'static [(&'static str, &'static str)];

/// What `Debug` shows of the settings that come of these variables.
type Read = fn(&[&[(&str, &str)]]) -> Result<String, EnvError>;

/// A target with what it reads.
pub(super) struct TargetRows {
    pub(super) rows: &'static [Row],
    /// Whether the target reads a variable by itself.
    pub(super) reads: fn(&Variable) -> bool,
    pub(super) read: Read,
    /// Values of the rows that nothing may show.
    pub(super) secrets: &'static [&'static str],
}

impl TargetRows {
    pub(super) fn assert_every_variable_has_one_row(&self) {
        let declared = variables().filter(|it| (self.reads)(it));
        let mut declared: Vec<_> = declared.map(|it| it.name).collect();
        let mut rows: Vec<_> = self.rows.iter().map(|row| row.variable).collect();
        declared.sort_unstable();
        rows.sort_unstable();
        assert_eq!(rows, declared);
    }

    pub(super) fn assert_every_row_has_its_cases(&self) {
        for Row { variable, valid, invalid, .. } in self.rows {
            let value_type = declared::variable(variable).expect("it is declared").value_type;
            let takes_anything = value_type == ValueType::Text;
            assert!(takes_anything || !invalid.is_empty(), "{variable}: none invalid");
            let in_capitals = |(value, _): &(&str, &str)| value.chars().any(char::is_uppercase);
            let is_number = valid.iter().all(|(value, _)| value.parse::<u64>().is_ok());
            assert!(
                is_number || valid.iter().chain(*invalid).any(in_capitals),
                "{variable}: no capitals"
            );
        }
    }

    pub(super) fn assert_valid_values_make_a_difference_and_empty_ones_none(&self) {
        for Row { variable, beside, valid, .. } in self.rows {
            let unset = (self.read)(&[beside]).ok();
            for empty in ["", " ", "\n"] {
                assert_eq!((self.read)(&[beside, &[(variable, empty)]]).ok(), unset, "{variable}");
            }
            for (value, part) in *valid {
                let is_there = |text: &String| text.contains(part);
                assert!(
                    !unset.as_ref().is_some_and(is_there),
                    "{variable}: it makes no difference"
                );
                for value in [(*value).to_owned(), format!(" {value}\n")] {
                    let read = (self.read)(&[beside, &[(variable, &value)]]);
                    let shown =
                        read.unwrap_or_else(|error| panic!("{variable}=`{value}`: {error}"));
                    assert!(is_there(&shown), "{variable}=`{value}`: {shown}");
                    self.assert_no_secret_is_in(&shown);
                }
            }
        }
    }

    pub(super) fn assert_invalid_values_are_told_with_variable_and_remedy(&self) {
        for Row { variable, beside, invalid, .. } in self.rows {
            for (value, said) in *invalid {
                let read = (self.read)(&[beside, &[(variable, value)]]);
                let text = read.expect_err(variable).to_string();
                assert!(text.starts_with(&format!("{variable}{said}")), "{text}");
                self.assert_no_secret_is_in(&text);
            }
        }
    }

    fn assert_no_secret_is_in(&self, text: &str) {
        for secret in self.secrets {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

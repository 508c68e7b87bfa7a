//! A row for each variable that the OTLP target reads by itself: unset, empty, valid, invalid, in capitals, in a file,
//! and which one wins.

mod table;

use std::fs;

use meterkit_otlp::OtlpConfig;
use tempfile::TempDir;

use self::table::ROWS;
use super::*;

/// What one variable does.
struct Row {
    variable: &'static str,
    /// The one for all signals, over which this one wins.
    general: Option<&'static str>,
    /// What else is set, so that it matters.
    beside: Variables,
    /// What a value is of no use without.
    needs: Variables,
    cases: &'static Cases,
}

type Variables = &'static [(&'static str, &'static str)];

/// `{dir}` stands for the directory of [`Pems`].
struct Cases {
    unset: Made,
    valid: &'static [(&'static str, Made)],
    /// Values, and what is said of them behind the variable's name, or how that begins.
    invalid: Variables,
}

/// The settings that are expected.
type Made = fn(&Pems) -> OtlpConfig;

impl Row {
    const fn new(variable: &'static str, cases: &'static Cases) -> Self {
        Self { variable, general: None, beside: &[], needs: &[], cases }
    }

    const fn over(mut self, general: &'static str) -> Self {
        self.general = Some(general);
        self
    }

    const fn beside(mut self, others: Variables) -> Self {
        self.beside = others;
        self
    }

    const fn needing(mut self, others: Variables) -> Self {
        self.needs = others;
        self
    }

    fn declared(&self) -> &'static Variable {
        let variable = declared::variable(self.variable);
        variable.unwrap_or_else(|| panic!("{} is not declared", self.variable))
    }

    /// The row of the variable that this one wins over.
    fn general(&self) -> Option<&'static Self> {
        let general = self.general?;
        let row = ROWS.iter().find(|row| row.variable == general);
        Some(row.unwrap_or_else(|| panic!("{general} has no row")))
    }
}

/// Two certificates with their keys, in a directory that is there as long as this.
struct Pems {
    directory: TempDir,
    certificate: Vec<u8>,
    key: Vec<u8>,
    other: Vec<u8>,
    other_key: Vec<u8>,
}

impl Pems {
    fn new() -> Self {
        let issue = || {
            let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            (issued.cert.pem().into_bytes(), issued.signing_key.serialize_pem().into_bytes())
        };
        let ((certificate, key), (other, other_key)) = (issue(), issue());
        let directory = tempfile::tempdir().unwrap();
        for (name, pem) in [
            ("certificate.pem", &certificate),
            ("key.pem", &key),
            ("OTHER.pem", &other),
            ("OTHER-key.pem", &other_key),
        ] {
            fs::write(directory.path().join(name), pem).unwrap();
        }
        Self { directory, certificate, key, other, other_key }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{dir}", self.directory.path().to_str().expect("a path in UTF-8"))
    }

    /// What is read of these with the target selected; of a variable that is named twice, the last value counts.
    fn read(&self, variables: &[&[(&str, &str)]]) -> Result<OtlpConfig, EnvError> {
        let variables: BTreeMap<_, _> = variables.concat().into_iter().collect();
        let filled: Vec<_> =
            variables.iter().map(|(name, value)| (*name, self.fill(value))).collect();
        let mut variables: Vec<_> =
            filled.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push(("OTEL_METRICS_EXPORTER", "otlp"));
        read(&variables).map(|settings| settings.otlp.expect("it is selected"))
    }

    fn config(&self, variables: &[&[(&str, &str)]]) -> OtlpConfig {
        self.read(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
    }

    /// The one problem that there is.
    fn problem(&self, variables: &[&[(&str, &str)]]) -> String {
        let error = self.read(variables).expect_err("a problem");
        assert_eq!(error.problems().len(), 1, "{error}");
        error.to_string()
    }
}

#[test]
fn every_variable_of_the_target_has_one_row() {
    let is_read_by_it = |it: &&Variable| rows::is_read_by_otlp(it);
    let mut declared: Vec<_> = variables().filter(is_read_by_it).map(|it| it.name).collect();
    let mut rows: Vec<_> = ROWS.iter().map(|row| row.variable).collect();
    declared.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rows, declared);
}

#[test]
fn every_row_has_the_cases_that_its_type_asks_for() {
    let pems = Pems::new();
    for row in ROWS {
        let Row { variable, cases, general, .. } = row;
        let first = (cases.valid[0].1)(&pems);
        let differs = cases.valid.iter().any(|(_, made)| made(&pems) != first);
        assert!(differs, "{variable}: no two values that make a difference");
        let in_capitals = |(value, _): &(&str, Made)| value.chars().any(char::is_uppercase);
        let is_number = row.declared().value_type == ValueType::Timeout;
        assert!(is_number || cases.valid.iter().any(in_capitals), "{variable}: no capitals");
        assert!(!cases.invalid.is_empty(), "{variable}: none invalid");
        let twin = variable.replace("_METRICS_", "_");
        let has_twin = twin != *variable && declared::variable(&twin).is_some();
        assert_eq!(*general, has_twin.then_some(&*twin), "{variable}: wins over its twin");
    }
}

#[test]
fn unset_and_empty_are_the_same() {
    let pems = Pems::new();
    for Row { variable, beside, cases, .. } in ROWS {
        let expected = (cases.unset)(&pems);
        assert_eq!(pems.config(&[beside]), expected, "{variable}");
        for empty in ["", " ", "\t\r\n"] {
            let config = pems.config(&[beside, &[(variable, empty)]]);
            assert_eq!(config, expected, "{variable}=`{empty}`");
        }
    }
}

#[test]
fn valid_values_are_read_with_or_without_white_space_around() {
    let pems = Pems::new();
    for Row { variable, beside, needs, cases, .. } in ROWS {
        for (value, made) in cases.valid {
            for value in [(*value).to_owned(), format!(" {value}\t"), format!("{value}\n")] {
                let config = pems.config(&[beside, needs, &[(variable, &value)]]);
                assert_eq!(config, made(&pems), "{variable}=`{value}`");
            }
        }
    }
}

#[test]
fn invalid_values_are_told_with_variable_and_remedy_and_without_secrets() {
    let pems = Pems::new();
    for Row { variable, beside, needs, cases, .. } in ROWS {
        for (value, said) in cases.invalid {
            let text = pems.problem(&[beside, needs, &[(variable, value)]]);
            let expected = pems.fill(&format!("{variable}{said}"));
            assert!(text.starts_with(&expected), "{text}\n{expected}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn words_are_those_that_are_declared() {
    let pems = Pems::new();
    for row in ROWS {
        if let ValueType::Word(words) = row.declared().value_type {
            for word in words {
                pems.config(&[&[(row.variable, word)]]);
            }
            let text = pems.problem(&[&[(row.variable, "nonsense")]]);
            assert!(words.iter().all(|word| text.contains(&format!("`{word}`"))), "{text}");
        }
    }
}

#[test]
fn the_variable_for_metrics_wins_over_that_for_all_signals() {
    let pems = Pems::new();
    for row in ROWS {
        let Row { variable, beside, needs, cases, .. } = row;
        let Some(general) = row.general() else {
            continue;
        };
        for (other, made_of_other) in general.cases.valid {
            let set = [beside, general.needs, &[(general.variable, *other)]].concat();
            for (value, made) in cases.valid {
                let config = pems.config(&[&set, needs, &[(variable, value)]]);
                assert_eq!(config, made(&pems), "{variable}=`{value}` over `{other}`");
            }
            for empty in ["", " "] {
                let config = pems.config(&[&set, &[(variable, empty)]]);
                assert_eq!(config, made_of_other(&pems), "{variable} is empty: `{other}`");
            }
            for (value, said) in cases.invalid {
                let text = pems.problem(&[&set, needs, &[(variable, value)]]);
                assert!(text.starts_with(&pems.fill(&format!("{variable}{said}"))), "{text}");
            }
        }
    }
}

#[test]
fn what_is_needed_beside_a_value_is_named() {
    let pems = Pems::new();
    for Row { variable, needs, cases, .. } in ROWS {
        for (needed, _) in *needs {
            let (value, _) = cases.valid[0];
            let text = pems.problem(&[&[(variable, value)]]);
            let value = pems.fill(value);
            let expected = format!("{variable}=`{value}`: is of no use alone; set `{needed}` too");
            assert_eq!(text, expected);
        }
    }
}

#[test]
fn secrets_are_read_from_files_in_the_same_way() {
    let pems = Pems::new();
    let path = pems.directory.path().join("secret");
    for row in ROWS.iter().filter(|row| row.declared().is_secret) {
        let Row { variable, cases, .. } = row;
        let file_name = row.declared().file_name().expect("it is a secret");
        let in_file = (&*file_name, "{dir}/secret");
        for (value, made) in cases.valid {
            fs::write(&path, format!("{value}\n")).unwrap();
            assert_eq!(pems.config(&[&[in_file]]), made(&pems), "{variable}: `{value}`");
            if let Some(general) = row.general {
                let set = [(general, "x=all-signals"), in_file];
                assert_eq!(pems.config(&[&set]), made(&pems), "{file_name} over {general}");
            }
            let twice = pems.problem(&[&[in_file, (variable, value)]]);
            let expected = format!("{file_name}: is set, and {variable} too; keep one of them");
            assert_eq!(twice, expected);
        }
        for (value, said) in cases.invalid {
            fs::write(&path, value).unwrap();
            let text = pems.problem(&[&[in_file]]);
            let expected = pems.fill(&format!("{file_name}=`{{dir}}/secret`{said}"));
            assert!(text.starts_with(&expected) && !text.contains("hunter2"), "{text}");
        }
        let text = pems.problem(&[&[(&*file_name, "{dir}/nothing")]]);
        let expected =
            pems.fill(&format!("{file_name}=`{{dir}}/nothing`: the file cannot be read: "));
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
#[cfg(unix)]
fn what_is_not_utf_8_is_a_problem() {
    use std::os::unix::ffi::OsStringExt;
    for row in ROWS {
        let value = OsString::from_vec(b"http://hunter2@c/\xff".to_vec());
        let set = [("OTEL_METRICS_EXPORTER".into(), "otlp".into()), (row.variable.into(), value)];
        let text = Settings::read(set).expect_err(row.variable).to_string();
        assert!(text.starts_with(row.variable) && text.ends_with(": is not UTF-8"), "{text}");
        let may_be_secret = row.declared().is_secret || row.declared().value_type == ValueType::Url;
        assert_eq!(text.contains("hunter2"), !may_be_secret, "{text}");
    }
}

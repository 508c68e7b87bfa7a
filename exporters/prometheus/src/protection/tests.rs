use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Protection, Vec<VariableError>> {
    Protection::from_variables(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let problems = read(variables).expect_err("a problem");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn without_variables_nobody_is_asked() {
    for variables in [&[][..], &[(USERNAME, " "), (PASSWORD, ""), (BEARER_TOKEN, "\n"), (KEY, "")]]
    {
        let protection = read(variables).unwrap();
        assert!(protection.credentials.is_none() && protection.tls.is_none());
    }
}

#[test]
fn name_and_password_or_a_token_are_taken_without_what_is_around_them() {
    let basic = read(&[(USERNAME, " me\n"), (PASSWORD, " open sesame \r\n")]).unwrap();
    let Some(Credentials::Basic { username, password }) = basic.credentials else {
        panic!("{basic:?}");
    };
    assert_eq!((&*username, &*password), ("me", " open sesame "));
    let bearer = read(&[(BEARER_TOKEN, " s3cret\n")]).unwrap();
    let Some(Credentials::Bearer { token }) = bearer.credentials else {
        panic!("{bearer:?}");
    };
    assert_eq!(token, "s3cret");
}

#[test]
fn half_of_a_pair_names_the_other_half() {
    for (variables, expected) in [
        (
            &[(USERNAME, "me")][..],
            "METERKIT_PROMETHEUS_PASSWORD: is not set, but METERKIT_PROMETHEUS_USERNAME is; write",
        ),
        (
            &[(PASSWORD, "hunter2")],
            "METERKIT_PROMETHEUS_USERNAME: is not set, but METERKIT_PROMETHEUS_PASSWORD is; write",
        ),
    ] {
        let problems = problems(variables);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn both_kinds_of_credentials_are_one_too_many() {
    for (variable, value) in [(USERNAME, "me"), (PASSWORD, "hunter2")] {
        let problems = problems(&[(variable, value), (BEARER_TOKEN, "hunter2")]);
        let expected =
            format!("{variable}: is set, and METERKIT_PROMETHEUS_BEARER_TOKEN too; keep");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}

#[test]
fn credentials_that_nobody_could_show_are_told_without_the_secret() {
    let told = problems(&[(USERNAME, "a:b"), (PASSWORD, "hunter2\u{7}")]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("METERKIT_PROMETHEUS_USERNAME=`a:b`: holds `:`"), "{told:?}");
    assert!(told[1].starts_with("METERKIT_PROMETHEUS_PASSWORD: holds a control"), "{told:?}");
    let bearer = problems(&[(BEARER_TOKEN, "Bearer hunter2")]);
    assert!(bearer[0].starts_with("METERKIT_PROMETHEUS_BEARER_TOKEN: holds white"), "{bearer:?}");
    assert!(!format!("{told:?}{bearer:?}").contains("hunter2"));
}

#[test]
#[cfg(not(feature = "tls"))]
fn tls_that_is_not_compiled_in_is_told_once_with_its_feature() {
    let problems = problems(&[(CERTIFICATE, "/c.pem"), (KEY, "/k.pem"), (CLIENT_CA, "/ca.pem")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected =
        "METERKIT_PROMETHEUS_TLS_CERTIFICATE=`/c.pem`: TLS is not compiled in: switch on";
    assert!(problems[0].starts_with(expected), "{problems:?}");
}

#[cfg(feature = "tls")]
mod tls {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// Files with a certificate and its key, with the key of another one, and with text.
    fn files() -> (TempDir, [String; 4]) {
        let issue = || generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let CertifiedKey { cert, signing_key } = issue();
        let other = issue().signing_key.serialize_pem();
        let texts = [cert.pem(), signing_key.serialize_pem(), other, "hunter2".to_owned()];
        let directory = tempfile::tempdir().unwrap();
        let mut number = 0;
        let paths = texts.map(|text| {
            number += 1;
            let path = directory.path().join(number.to_string());
            fs::write(&path, text).unwrap();
            path.into_os_string().into_string().unwrap()
        });
        (directory, paths)
    }

    #[test]
    fn certificate_key_and_authorities_are_read_from_their_files() {
        let (_directory, [certificate, key, ..]) = files();
        let tls = read(&[(CERTIFICATE, &certificate), (KEY, &format!(" {key}\n"))]).unwrap().tls;
        assert!(format!("{tls:?}").contains("client_authorities: false"), "{tls:?}");
        let all = [(CERTIFICATE, &*certificate), (KEY, &key), (CLIENT_CA, &certificate)];
        let tls = read(&all).unwrap().tls;
        assert!(format!("{tls:?}").contains("client_authorities: true"), "{tls:?}");
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let (_directory, [certificate, key, ..]) = files();
        let missing = |variable, present| format!("{variable}: is not set, but {present} is; name");
        for (variables, expected) in [
            (&[(CERTIFICATE, &*certificate)][..], vec![missing(KEY, CERTIFICATE)]),
            (&[(KEY, &key)], vec![missing(CERTIFICATE, KEY)]),
            (
                &[(CLIENT_CA, &certificate)],
                vec![missing(CERTIFICATE, CLIENT_CA), missing(KEY, CLIENT_CA)],
            ),
        ] {
            let told = problems(variables);
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.starts_with(&expected), "{told}");
            }
        }
    }

    #[test]
    fn each_file_that_cannot_be_used_is_told_and_not_quoted() {
        let (_directory, [certificate, key, other, text]) = files();
        let told = problems(&[(CERTIFICATE, &text), (KEY, "/nowhere.pem"), (CLIENT_CA, &text)]);
        let beginnings = [
            format!(
                "{CERTIFICATE}=`{text}`: the certificate of the scrape endpoint cannot be read"
            ),
            format!("{KEY}=`/nowhere.pem`: cannot be read ("),
            format!("{CLIENT_CA}=`{text}`: the authorities of the clients of the scrape endpoint"),
        ];
        assert_eq!(told.len(), beginnings.len(), "{told:?}");
        for (told, beginning) in told.iter().zip(beginnings) {
            assert!(told.starts_with(&beginning) && !told.contains("hunter2"), "{told}");
        }
        let swapped = problems(&[(CERTIFICATE, &key), (KEY, &certificate)]);
        assert_eq!(swapped.len(), 2, "{swapped:?}");
        let unmatched = problems(&[(CERTIFICATE, &certificate), (KEY, &other)]);
        assert_eq!(unmatched.len(), 1, "{unmatched:?}");
        let expected =
            format!("{KEY}=`{other}`: certificate and private key of the scrape endpoint");
        assert!(unmatched[0].starts_with(&expected), "{unmatched:?}");
    }
}

use meterkit_pipeline::NamePattern;
use meterkit_settings::{Declaration, Environment, SettingsError};

use super::*;

const USERNAME: &str = super::USERNAME.declaration().name;
const PASSWORD: &str = super::PASSWORD.declaration().name;
const BEARER_TOKEN: &str = super::BEARER_TOKEN.declaration().name;
const CERTIFICATE: &str = TLS_CERTIFICATE.declaration().name;
const KEY: &str = TLS_KEY.declaration().name;
const CLIENT_CA: &str = TLS_CLIENT_CA.declaration().name;

fn read(variables: &[(&str, &str)]) -> Result<Protection, SettingsError> {
    Environment::of(variables.iter().copied()).read(Protection::read)
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let error = read(variables).expect_err("a problem");
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn without_variables_no_credentials_are_required() {
    for variables in [&[][..], &[(USERNAME, " "), (PASSWORD, ""), (BEARER_TOKEN, "\n"), (KEY, "")]]
    {
        let protection = read(variables).unwrap();
        assert!(protection.credentials.is_none() && protection.tls.is_none());
    }
}

#[test]
fn without_variables_only_this_machine_reaches_the_endpoint() {
    let nothing = Environment::of(std::iter::empty::<(&str, &str)>());
    let server = format!("{:?}", nothing.read(PrometheusServer::read).unwrap());
    assert!(server.contains("host: \"localhost\", port: 9464"), "{server}");
}

#[test]
fn white_space_around_credentials_is_removed_except_in_passwords() {
    let basic = read(&[(USERNAME, " me\n"), (PASSWORD, " open sesame \r\n")]).unwrap();
    let Some(Credentials::Basic { username, password, .. }) = basic.credentials else {
        panic!("{basic:?}");
    };
    assert_eq!((&*username, &*password), ("me", " open sesame "));
    let bearer = read(&[(BEARER_TOKEN, " s3cret\n")]).unwrap();
    let Some(Credentials::Bearer { token, .. }) = bearer.credentials else {
        panic!("{bearer:?}");
    };
    assert_eq!(token, "s3cret");
}

#[test]
fn the_error_for_half_of_a_pair_names_the_other_half() {
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
fn both_kinds_of_credentials_are_a_conflict() {
    for (variable, value) in [(USERNAME, "me"), (PASSWORD, "hunter2")] {
        let problems = problems(&[(variable, value), (BEARER_TOKEN, "hunter2")]);
        let expected =
            format!("{variable}: is set together with METERKIT_PROMETHEUS_BEARER_TOKEN; keep");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}

#[test]
fn errors_about_unusable_credentials_do_not_quote_the_secret() {
    let told = problems(&[(USERNAME, "a:b"), (PASSWORD, "hunter2\u{7}")]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("METERKIT_PROMETHEUS_USERNAME: contains `:`"), "{told:?}");
    assert!(told[1].starts_with("METERKIT_PROMETHEUS_PASSWORD: contains a control"), "{told:?}");
    let bearer = problems(&[(BEARER_TOKEN, "Bearer hunter2")]);
    assert!(
        bearer[0].starts_with("METERKIT_PROMETHEUS_BEARER_TOKEN: contains white"),
        "{bearer:?}"
    );
    assert!(!format!("{told:?}{bearer:?}").contains("hunter2"));
}

#[test]
fn every_setting_behaves_like_all_others() {
    use meterkit_fakes::settings_table::{Row, Table};

    const CERTIFICATE: (&str, &str) =
        ("METERKIT_PROMETHEUS_TLS_CERTIFICATE", "{dir}/certificate.pem");
    const KEY: (&str, &str) = ("METERKIT_PROMETHEUS_TLS_KEY", "{dir}/key.pem");
    let rows = [
        Row::new("OTEL_EXPORTER_PROMETHEUS_HOST")
            .valid(&[
                ("0.0.0.0", "host: \"0.0.0.0\""),
                ("Metrics.example.com", "host: \"Metrics.example.com\""),
                ("[::1]", "host: \"::1\""),
                ("fe80::1%eth0", "host: \"fe80::1%eth0\""),
            ])
            .invalid(&[
                ("a b", "write a host name or an address, without scheme, port or path"),
                (
                    "localhost:9464",
                    "write `localhost` alone; the port goes into OTEL_EXPORTER_PROMETHEUS_PORT",
                ),
            ]),
        Row::new("OTEL_EXPORTER_PROMETHEUS_PORT").valid(&[("65535", "port: 65535")]),
        Row::new("METERKIT_PROMETHEUS_TRANSLATION")
            .valid(&[
                ("underscore_escaping_without_suffixes", "UnderscoreEscapingWithoutSuffixes"),
                ("no_utf8_escaping_with_suffixes", "NoUtf8EscapingWithSuffixes"),
                ("no_translation", "NoTranslation"),
                ("UnderscoreEscapingWithSuffixes", "UnderscoreEscapingWithSuffixes"),
                ("UnderscoreEscapingWithoutSuffixes", "UnderscoreEscapingWithoutSuffixes"),
                ("NoUTF8EscapingWithSuffixes", "NoUtf8EscapingWithSuffixes"),
                ("notranslation", "NoTranslation"),
            ])
            .invalid(&[
                ("no translation", "`no_utf8_escaping_with_suffixes` or `no_translation`"),
                ("no_translation,no_translation", "or `no_translation`"),
                ("no_translation/development", "or `no_translation`"),
            ]),
        Row::new("METERKIT_PROMETHEUS_USERNAME")
            .beside(&[("METERKIT_PROMETHEUS_PASSWORD", "hunter2")])
            .valid(&[("Me", "Basic { username: \"Me\"")]),
        Row::new("METERKIT_PROMETHEUS_PASSWORD")
            .beside(&[("METERKIT_PROMETHEUS_USERNAME", "me")])
            .valid(&[("hunter2", "Basic { username: \"me\"")]),
        Row::new("METERKIT_PROMETHEUS_BEARER_TOKEN").valid(&[("hunter2", "Bearer")]),
        Row::new(CERTIFICATE.0)
            .beside(&[KEY])
            .valid(&[("{dir}/certificate.pem", "ServerTls { client_authorities: false")])
            .invalid(&[("{dir}/key.pem", "the certificate of the scrape endpoint cannot be read")]),
        Row::new(KEY.0)
            .beside(&[CERTIFICATE])
            .valid(&[("{dir}/key.pem", "ServerTls { client_authorities: false")])
            .invalid(&[
                ("{dir}", "cannot be read (it is a directory, not a file)"),
                ("{dir}/certificate.pem", "the private key of the scrape endpoint cannot be read"),
                ("{dir}/other-key.pem", "certificate and private key of the scrape endpoint"),
            ]),
        Row::new("METERKIT_PROMETHEUS_TLS_CLIENT_CA")
            .beside(&[CERTIFICATE, KEY])
            .valid(&[("{dir}/certificate.pem", "ServerTls { client_authorities: true")])
            .invalid(&[("{dir}/key.pem", "the client authorities of the scrape endpoint")]),
        Row::new("METERKIT_PROMETHEUS_ALLOWED_HOSTS")
            .valid(&[
                ("Metrics.example.", "allowed_hosts: Some([\"metrics.example\"])"),
                ("a, 10.0.0.1 ,[::1]", "allowed_hosts: Some([\"a\", \"10.0.0.1\", \"::1\"])"),
            ])
            .invalid(&[
                ("a,b:9464", "`b:9464` is not a host name or address; write it without"),
                ("*", "`*` is not a host name or address"),
            ]),
        Row::new("METERKIT_PROMETHEUS_ALLOWED_NETWORKS")
            .valid(&[
                ("10.0.0.0/8", "Network { address: 10.0.0.0, prefix: 8 }"),
                ("::1,::ffff:10.0.0.1", "Network { address: 10.0.0.1, prefix: 32 }"),
            ])
            .invalid(&[
                (
                    "10.0.0.0/33",
                    "`10.0.0.0/33` is not a network; after `/`, write a number from 0 to 32",
                ),
                (
                    "10.0.0.0/8,10.0.0.1/8",
                    "`10.0.0.1/8` has bits set beyond its prefix; write `10.0.0.0/8`",
                ),
            ]),
        Row::new("METERKIT_PROMETHEUS_PATH")
            .valid(&[("/internal/m", "path: Ok(\"/internal/m\")"), ("/", "path: Ok(\"/\")")])
            .invalid(&[
                ("metrics", "is not a URL path; write a path that begins with `/`"),
                ("/metrics?x=1", "is not a URL path"),
            ]),
        Row::new("METERKIT_PROMETHEUS_PAGE").valid(&[("false", "has_page: false")]),
        Row::new("METERKIT_PROMETHEUS_UNIT_SUFFIXES")
            .valid(&[("false", "unit_suffixes: None"), ("Known", "unit_suffixes: Known")])
            .invalid(&[("none", "write `true`, `false` or `known`")]),
        Row::new("METERKIT_PROMETHEUS_TOTAL_SUFFIXES").valid(&[("false", "without_total: true")]),
        Row::new("METERKIT_PROMETHEUS_SCOPE_INFO").valid(&[("false", "scope_info: false")]),
        Row::new("METERKIT_PROMETHEUS_TARGET_INFO").valid(&[("false", "target_info: false")]),
        Row::new("METERKIT_PROMETHEUS_SELF_METRICS").valid(&[("false", "self_metrics: false")]),
        Row::new("METERKIT_PROMETHEUS_START_TIMES").valid(&[("false", "start_times: false")]),
        Row::new("METERKIT_PROMETHEUS_RESOURCE_CONSTANT_LABELS")
            .valid(&[
                ("service.*", "included: Some([NamePattern(\"service.*\")]), excluded: []"),
                ("a,!b", "included: Some([NamePattern(\"a\")]), excluded: [NamePattern(\"b\")]"),
                ("! b", "included: None, excluded: [NamePattern(\"b\")]"),
            ])
            .invalid(&[
                ("a,!", "names after `!` are left out"),
                ("a b", "names after `!` are left out"),
            ]),
    ];
    let issue = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let (one, other) = (issue(), issue());
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, pem) in [
        ("certificate.pem", one.cert.pem()),
        ("key.pem", one.signing_key.serialize_pem()),
        ("other-key.pem", other.signing_key.serialize_pem()),
    ] {
        std::fs::write(directory.path().join(name), pem).expect("room for it");
    }
    let is_built_in = |it: &&Declaration| cfg!(feature = "tls") || it.value_type != ValueType::File;
    let settings: Vec<_> = SETTINGS.iter().filter(is_built_in).copied().collect();
    let is_declared = |row: &&Row| settings.iter().any(|it| it.name == row.variable);
    let rows: Vec<_> = rows.iter().filter(is_declared).copied().collect();
    let read = |reader: &Reader<'_>| {
        format!("{:?} {:?}", PrometheusServer::read(reader), Protection::read(reader))
    };
    Table {
        settings: &settings,
        rows: &rows,
        beside: &[],
        read: &|environment| environment.read(read),
        read_section: None,
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}

#[test]
#[cfg(not(feature = "tls"))]
fn tls_that_is_not_compiled_in_is_reported_once_with_its_feature() {
    let problems = problems(&[(CERTIFICATE, "/c.pem"), (KEY, "/k.pem"), (CLIENT_CA, "/ca.pem")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected =
        "METERKIT_PROMETHEUS_TLS_CERTIFICATE=`/c.pem`: TLS is not compiled in; enable the";
    assert!(problems[0].starts_with(expected), "{problems:?}");
}

#[cfg(feature = "tls")]
mod tls {
    use std::fs;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// Creates files with a certificate, its key, the key of another certificate, and plain text.
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
    fn the_error_for_a_missing_setting_names_the_one_that_needs_it() {
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
    fn each_unusable_file_is_reported_but_not_quoted() {
        let (_directory, [certificate, key, other, text]) = files();
        let told = problems(&[(CERTIFICATE, &text), (KEY, "/nowhere.pem"), (CLIENT_CA, &text)]);
        let beginnings = [
            format!(
                "{CERTIFICATE}=`{text}`: the certificate of the scrape endpoint cannot be read"
            ),
            format!("{KEY}=`/nowhere.pem`: cannot be read ("),
            format!("{CLIENT_CA}=`{text}`: the client authorities of the scrape endpoint"),
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
            format!("{KEY}=`{other}`: the certificate and private key of the scrape endpoint");
        assert!(unmatched[0].starts_with(&expected), "{unmatched:?}");
    }
}

fn server(variables: &[(&str, &str)]) -> Result<PrometheusServer, SettingsError> {
    Environment::of(variables.iter().copied()).read(PrometheusServer::read)
}

#[test]
fn settings_of_names_and_labels_are_independent() {
    let patterns = |list: &[&str]| list.iter().map(|it| NamePattern::from(*it)).collect::<Vec<_>>();
    let default = ExpositionOptions::new();
    let constant = |included: Option<&[&str]>, excluded: &[&str]| {
        let (included, excluded) = (included.map(patterns), patterns(excluded));
        default.clone().resource_constant_labels(KeyFilter { included, excluded })
    };
    for (name, value, expected) in [
        ("UNIT_SUFFIXES", "false", default.clone().unit_suffixes(UnitSuffixes::None)),
        ("UNIT_SUFFIXES", "known", default.clone().unit_suffixes(UnitSuffixes::Known)),
        ("UNIT_SUFFIXES", "true", default.clone()),
        ("TOTAL_SUFFIXES", "FALSE", default.clone().total_suffixes(false)),
        ("SCOPE_INFO", "false", default.clone().scope_info(false)),
        ("TARGET_INFO", "false", default.clone().target_info(false)),
        ("SELF_METRICS", "false", default.clone().self_metrics(false)),
        ("START_TIMES", "false", default.clone().start_times(false)),
        ("TRANSLATION", "NoTranslation", default.clone().translation(Translation::NoTranslation)),
        ("RESOURCE_CONSTANT_LABELS", "", default.clone()),
        ("RESOURCE_CONSTANT_LABELS", "service.*, host.name", {
            constant(Some(&["service.*", "host.name"]), &[])
        }),
        ("RESOURCE_CONSTANT_LABELS", "service.*,!service.version", {
            constant(Some(&["service.*"]), &["service.version"])
        }),
        ("RESOURCE_CONSTANT_LABELS", "!process.*", constant(None, &["process.*"])),
    ] {
        let name = format!("METERKIT_PROMETHEUS_{name}");
        let server = server(&[(&name, value)]).unwrap();
        assert_eq!(*server.exposition_options(), expected, "{name}={value}");
    }
}

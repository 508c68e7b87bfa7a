use meterkit_settings::{Environment, Problems, SettingsError};

use super::*;
use crate::{DatadogTarget, Format};

const KEY_OF_TESTS: &str = "0123456789abcdef0123456789abcdef";

fn read(variables: &[(&str, &str)]) -> Result<DatadogConfig, SettingsError> {
    Environment::of(variables.iter().copied()).read(DatadogConfig::read)
}

fn config(variables: &[(&str, &str)]) -> DatadogConfig {
    read(variables).unwrap_or_else(|problems| panic!("{variables:?}: {problems:?}"))
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let error = read(variables).expect_err("problems");
    error.problems().iter().map(ToString::to_string).collect()
}

fn endpoint_of(variables: &[(&str, &str)]) -> String {
    use meterkit_pipeline::Target;
    DatadogTarget::new(config(variables)).expect("a target").endpoint()
}

#[test]
fn the_mode_is_set_or_follows_from_other_settings() {
    let key = ("DD_API_KEY", KEY_OF_TESTS);
    for (variables, mode) in [
        (&[key][..], Mode::Api),
        (&[("DD_AGENT_HOST", "10.0.0.1")], Mode::Agent),
        (&[("DD_DOGSTATSD_URL", "udp://10.0.0.1:8125")], Mode::Agent),
        #[cfg(unix)]
        (&[("DD_DOGSTATSD_URL", "unix:///dsd.socket")], Mode::Agent),
        (&[key, ("DD_AGENT_HOST", "10.0.0.1")], Mode::Api),
        (&[key, ("METERKIT_DATADOG_MODE", "Agent")], Mode::Agent),
        (&[key, ("METERKIT_DATADOG_MODE", "OTLP")], Mode::Otlp),
        (&[("METERKIT_DATADOG_MODE", "agent")], Mode::Agent),
        (&[("METERKIT_DATADOG_MODE", "otlp")], Mode::Otlp),
        (&[key, ("METERKIT_DATADOG_MODE", " ")], Mode::Api),
    ] {
        assert_eq!(config(variables).mode(), mode, "{variables:?}");
    }
    let told = problems(&[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("DD_API_KEY: is not set, nor is an agent; set it for"), "{told:?}");
}

#[test]
fn each_way_leads_to_its_endpoint() {
    let (key, otlp) = (("DD_API_KEY", KEY_OF_TESTS), ("METERKIT_DATADOG_MODE", "otlp"));
    for (variables, endpoint) in [
        (&[key][..], "https://api.datadoghq.com/api/v2/series"),
        (&[key, ("DD_SITE", "us5.datadoghq.com")], "https://api.us5.datadoghq.com/api/v2/series"),
        (
            &[key, ("METERKIT_DATADOG_ENDPOINT", "http://127.0.0.1:8428/datadog/")],
            "http://127.0.0.1:8428/datadog/api/v2/series",
        ),
        (
            &[key, ("METERKIT_DATADOG_ENDPOINT", "https://relay?token=hunter2")],
            "https://relay/api/v2/series?...",
        ),
        (&[("METERKIT_DATADOG_MODE", "agent")], "udp://localhost:8125"),
        (&[("DD_AGENT_HOST", "agent"), ("DD_DOGSTATSD_PORT", "9")], "udp://agent:9"),
        (&[key, otlp], "https://otlp.datadoghq.com/v1/metrics"),
        (&[otlp], "http://localhost:4318/v1/metrics"),
        (&[otlp, ("DD_AGENT_HOST", "::1")], "http://[::1]:4318/v1/metrics"),
        (
            &[key, otlp, ("METERKIT_DATADOG_ENDPOINT", "http://localhost:1/v1/metrics")],
            "http://localhost:1/v1/metrics",
        ),
    ] {
        if endpoint.starts_with("https") && !cfg!(feature = "tls") {
            let error = DatadogTarget::new(config(variables)).expect_err("nothing encrypts");
            assert!(error.to_string().contains("enable the feature `tls`"), "{error}");
            continue;
        }
        assert_eq!(endpoint_of(variables), endpoint, "{variables:?}");
    }
}

#[test]
fn every_other_setting_is_taken_over() {
    let config = config(&[
        ("DD_API_KEY", &format!("{KEY_OF_TESTS}\n")),
        ("DD_SITE", "datadoghq.eu"),
        ("DD_ENV", "prod"),
        ("DD_TAGS", "team:a,zone:b"),
        ("DD_HOSTNAME", "web-1"),
        ("METERKIT_DATADOG_SCOPE_TAGS", "TRUE"),
        ("METERKIT_DATADOG_INSTANCE_TAG", "False"),
        ("DD_PROXY_HTTPS", "http://me:hunter2@proxy:3128"),
        ("HTTPS_PROXY", "http://other:3128"),
    ]);
    assert_eq!((config.site, config.host.as_deref()), (Site::Eu1, Some("web-1")));
    assert_eq!(config.api_key.as_ref().map(|key| key.expose()), Some(KEY_OF_TESTS));
    assert!(config.scope_tags && !config.instance_tag);
    assert_eq!(config.format, Format::Protobuf);
    let target = "https://api.datadoghq.eu".parse().expect("a URL");
    let proxy = config.transport.proxies().and_then(|it| it.of(&target)).expect("a proxy");
    assert_eq!(proxy.to_string(), "http://proxy:3128");
    assert_eq!(config.service_tags.env.as_deref(), Some("prod"));
    assert_eq!(config.service_tags.tags, ["team:a", "zone:b"]);
    let shown = format!("{config:?}");
    assert!(!shown.contains(KEY_OF_TESTS) && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn all_problems_are_reported_at_once_without_secrets() {
    let told = problems(&[
        ("DD_API_KEY", "hunter 2"),
        ("METERKIT_DATADOG_MODE", "proxy"),
        ("METERKIT_DATADOG_ENDPOINT", "relay:8080"),
        ("DD_SITE", "eu"),
        ("DD_DOGSTATSD_URL", "tcp://agent"),
        ("DD_TAGS", "9:x"),
        ("METERKIT_DATADOG_SCOPE_TAGS", "yes"),
        ("METERKIT_DATADOG_INSTANCE_TAG", "no"),
    ]);
    let expected = [
        "DD_API_KEY: ",
        "METERKIT_DATADOG_MODE=`proxy`: is unknown; write `api`, `agent` or `otlp`",
        "METERKIT_DATADOG_ENDPOINT=`relay:8080`: has no scheme",
        "DD_SITE=`eu`: this is not a Datadog site; write one of",
        "DD_DOGSTATSD_URL=`tcp://agent`: ",
        "DD_TAGS=`9:x`: `9:x` does not begin with a letter",
        "METERKIT_DATADOG_SCOPE_TAGS=`yes`: write `true` or `false`",
        "METERKIT_DATADOG_INSTANCE_TAG=`no`: write `true` or `false`",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
        assert!(!told.contains("hunter"), "{told}");
    }
}

#[test]
fn conflicting_settings_are_reported() {
    let mode = |mode| ("METERKIT_DATADOG_MODE", mode);
    let told = problems(&[mode("api")]);
    let missing =
        "DD_API_KEY: is not set, but METERKIT_DATADOG_MODE is; set the key of your account";
    assert_eq!(told, [missing]);

    let gov = [("DD_API_KEY", KEY_OF_TESTS), mode("otlp"), ("DD_SITE", "ddog-gov.com")];
    let told = problems(&gov);
    assert!(told[0].starts_with("DD_SITE=`ddog-gov.com`: Datadog has no OTLP intake"), "{told:?}");

    let proxy = [("DD_API_KEY", KEY_OF_TESTS), ("HTTPS_PROXY", "socks5://me:hunter2@proxy")];
    let told = problems(&proxy);
    assert!(told[0].starts_with("HTTPS_PROXY=") && !told[0].contains("hunter2"), "{told:?}");
    // An agent is reached without a proxy.
    assert_eq!(config(&[mode("agent"), ("HTTPS_PROXY", "socks5://proxy")]).mode(), Mode::Agent);
}

#[test]
fn advice_names_the_setting_that_decides_where_requests_go() {
    let key = ("DD_API_KEY", KEY_OF_TESTS);
    let otlp = ("METERKIT_DATADOG_MODE", "otlp");
    let endpoint = ("METERKIT_DATADOG_ENDPOINT", "http://127.0.0.1:8428/datadog");
    let named = |pairs: &[_]| config(pairs).transport.hints().endpoint;
    assert_eq!(named(&[key]), "DD_SITE");
    assert_eq!(named(&[key, otlp]), "DD_SITE");
    assert_eq!(named(&[otlp]), "DD_AGENT_HOST");
    assert_eq!(named(&[key, endpoint]), "METERKIT_DATADOG_ENDPOINT");
}

#[test]
fn settings_of_the_transport_that_no_datagram_has_are_warned_of() {
    let environment = Environment::of([
        ("METERKIT_DATADOG_MODE", "agent"),
        ("METERKIT_DATADOG_TIMEOUT", "500"),
        ("METERKIT_DATADOG_CERTIFICATE", "/nowhere.pem"),
    ]);
    let problems = Problems::new(false);
    let config = DatadogConfig::read(&environment.reader(&problems));
    let (config, warnings) = problems.finish(config).expect("they are no errors");
    assert_eq!(config.mode(), Mode::Agent);
    let end = "metrics go to an agent in datagrams; unset it, or change METERKIT_DATADOG_MODE; until then, it is ignored";
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            format!("METERKIT_DATADOG_TIMEOUT: {end}"),
            format!("METERKIT_DATADOG_CERTIFICATE: {end}"),
        ]
    );
}

#[cfg(feature = "tls")]
#[test]
fn every_setting_behaves_like_all_others() {
    use meterkit_fakes::settings_table::{Row, Table, Variables, certificate_rows};

    const BY_AGENT: Variables = &[("METERKIT_DATADOG_MODE", "agent")];
    const BY_API: Variables = &[("DD_API_KEY", "hunter2S")];
    let rows = [
        Row::new("DD_API_KEY").valid(&[("hunter2", "mode: Api")]),
        Row::new("DD_SITE")
            .beside(BY_API)
            .valid(&[("datadoghq.eu", "site: Eu1"), ("US5.datadoghq.com", "site: Us5")])
            .invalid(&[("eu", "this is not a Datadog site; write one of")]),
        Row::new("DD_ENV").beside(BY_API).valid(&[("Prod", "env: Some(\"Prod\")")]),
        Row::new("DD_SERVICE").beside(BY_API).valid(&[("Shop", "service: Some(\"Shop\")")]),
        Row::new("DD_VERSION").beside(BY_API).valid(&[("1-RC", "version: Some(\"1-RC\")")]),
        Row::new("DD_TAGS")
            .beside(BY_API)
            .valid(&[
                ("team:A,zone:b", "[\"team:a\", \"zone:b\"]"),
                ("a:1 b:2", "[\"a:1\", \"b:2\"]"),
            ])
            .invalid(&[("a:1,9:x", "`9:x` does not begin with a letter")]),
        Row::new("DD_HOSTNAME").beside(BY_API).valid(&[("Web-1", "host: Some(\"Web-1\")")]),
        Row::new("DD_AGENT_HOST")
            .beside(BY_AGENT)
            .valid(&[("10.0.0.1", "\"10.0.0.1\""), ("Agent", "\"Agent\"")])
            .invalid(&[("agent:8125", "the port goes into ")]),
        Row::new("DD_DOGSTATSD_PORT").beside(BY_AGENT).valid(&[("9125", "9125")]),
        Row::new("DD_DOGSTATSD_URL")
            .valid(&[
                ("udp://Agent:9", "Agent"),
                #[cfg(unix)]
                ("unix:///run/dsd.socket", "/run/dsd.socket"),
            ])
            .invalid(&[("tcp://agent", "")])
            .beside(BY_AGENT),
        Row::new("DD_EXTERNAL_ENV")
            .beside(BY_AGENT)
            .valid(&[("it-false,cn-X", "external_data: Some(\"it-false,cn-X\")")]),
        Row::new("DD_ENTITY_ID").beside(BY_AGENT).valid(&[("Pod-7", "entity_id: Some(\"Pod-7\")")]),
        Row::new("DD_PROXY_HTTPS")
            .beside(BY_API)
            .valid(&[("http://Proxy:3128", "Proxy:3128")])
            .invalid(&[("http://", "")]),
        Row::new("DD_PROXY_HTTP")
            .beside(BY_API)
            .valid(&[("http://Proxy:3128", "Proxy:3128")])
            .invalid(&[("http://", "")]),
        Row::new("DD_PROXY_NO_PROXY").beside(BY_API).valid(&[("c, .Internal", ".Internal")]),
        Row::new("METERKIT_DATADOG_MODE")
            .beside(BY_API)
            .valid(&[("agent", "mode: Agent"), ("otlp", "mode: Otlp")]),
        Row::new("METERKIT_DATADOG_ENDPOINT")
            .beside(BY_API)
            .valid(&[("http://c:8428/Datadog", "http://c:8428/Datadog")])
            .invalid(&[("localhost:8428", "has no scheme")]),
        Row::new("METERKIT_DATADOG_SCOPE_TAGS")
            .beside(BY_API)
            .valid(&[("true", "scope_tags: true")]),
        Row::new("METERKIT_DATADOG_INSTANCE_TAG")
            .beside(BY_API)
            .valid(&[("false", "instance_tag: false")]),
        Row::new("METERKIT_DATADOG_COMPRESSION")
            .beside(BY_API)
            .valid(&[("gzip", "compression: Some(Gzip)"), ("none", "compression: Some(None)")]),
        Row::new("METERKIT_DATADOG_TIMEOUT")
            .beside(BY_API)
            .valid(&[("2500", "timeout: Some(2.5s)"), ("0", "timeout: None")]),
    ];
    let certificates = [CERTIFICATE.name, CLIENT_KEY.name, CLIENT_CERTIFICATE.name];
    let rows = [&rows[..], &certificate_rows(certificates, BY_API)].concat();
    let shown = |config: DatadogConfig| format!("{config:?}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let identity = meterkit_fakes::tls::Authority::new().issue("client");
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text);
    write("certificate.pem", identity.pem()).expect("room for it");
    write("key.pem", identity.key_pem()).expect("room for it");
    Table {
        settings: SETTINGS,
        rows: &rows,
        beside: BY_API,
        read: &|environment| environment.read(DatadogConfig::read).map(shown),
        read_section: Some(&|reader| shown(DatadogConfig::read(reader))),
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}

//! Sections of the target `datadog`.

use super::*;

fn reader(properties: &str) -> String {
    format!(
        "meter_provider:
  readers:
    - periodic:
        interval: 10000
        exporter:
          datadog:
{properties}"
    )
}

#[test]
fn properties_are_those_of_the_variables() {
    let text = reader(
        "            api_key: ${DD_API_KEY}
            site: datadoghq.eu
            tags: [team:a, zone:b]
            scope_tags: true
            instance_tag: false
            env: prod
",
    );
    let variables = [("DD_API_KEY", "0123456789abcdef"), ("DD_SITE", "us5.datadoghq.com")];
    let configured = settings(&text, &variables).configured.expect("there is a file");
    let (config, schedule, _) = &configured.targets[0];
    assert_eq!(schedule.expect("its own").interval, std::time::Duration::from_secs(10));
    let shown = format!("{config:?}");
    for part in [
        "mode: Api",
        "site: Eu1",
        "tags: [\"team:a\", \"zone:b\"]",
        "scope_tags: true",
        "instance_tag: false",
        "env: Some(\"prod\")",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn problems_name_line_and_property_and_no_secret() {
    let told = problems(&reader(
        "            api_key: hunter 2
            site: eu
            flavor: vanilla
            mode: {a: b}
",
    ));
    let at = |line: usize, property: &str| {
        format!("line {line}, meter_provider.readers[0].periodic.exporter.datadog.{property}: ")
    };
    let expected = [at(8, "api_key"), at(9, "site"), at(10, "flavor"), at(11, "mode")];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(&expected) && !told.contains("hunter"), "{told}");
    }
}

#[test]
fn general_proxies_apply_if_the_file_names_none() {
    let key = "            api_key: 0123456789abcdef\n            env: prod\n";
    for (name, properties, shown, hidden) in [
        ("HTTPS_PROXY", "", "everyone:1", "own:2"),
        ("https_proxy", "", "everyone:1", "own:2"),
        ("HTTP_PROXY", "", "everyone:1", "own:2"),
        ("NO_PROXY", "", "everyone:1", "own:2"),
        ("no_proxy", "", "everyone:1", "own:2"),
        ("HTTPS_PROXY", "            proxy_https: http://own:2\n", "own:2", "everyone:1"),
        // Datadog's own settings must be in the file; their variables do not count.
        ("DD_PROXY_HTTPS", "", "prod", "everyone:1"),
    ] {
        let text = reader(&format!("{key}{properties}"));
        let configured = settings(&text, &[(name, "everyone:1")]).configured;
        let config = format!("{:?}", configured.expect("there is a file").targets[0].0);
        assert!(config.contains(shown) && !config.contains(hidden), "{name}: {config}");
    }
}

#[test]
fn an_invalid_general_proxy_is_reported_with_its_variable() {
    let text = reader("            api_key: 0123456789abcdef\n");
    let error = read(&text, &[("HTTPS_PROXY", "socks5://me:hunter2@proxy")]);
    let told = error.expect_err("no proxy").to_string();
    assert!(told.starts_with("HTTPS_PROXY=`socks5://...`: "), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn missing_properties_are_reported_by_their_names_in_the_file() {
    let told = problems(&reader("            site: datadoghq.eu\n"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`agent_host` or `dogstatsd_url` for an agent"), "{told:?}");
    assert!(!told[0].contains("DD_"), "{told:?}");
}

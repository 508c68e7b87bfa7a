//! Tests of the five variables.

use meterkit_http::Secret;
use meterkit_settings::{Environment, SettingsError};

use super::*;

const URL: &str = "GRAFANA_REMOTE_WRITE_URL";
const USERNAME: &str = "GRAFANA_REMOTE_WRITE_USERNAME";
const PASSWORD: &str = "GRAFANA_REMOTE_WRITE_PASSWORD";
const BEARER_TOKEN: &str = "GRAFANA_REMOTE_WRITE_BEARER_TOKEN";
const TENANT: &str = "GRAFANA_REMOTE_WRITE_TENANT";

const RECEIVER: (&str, &str) = (URL, "https://mimir.example.com/api/v1/push");

fn read(variables: &[(&str, &str)]) -> Result<Option<RemoteWrite>, SettingsError> {
    Environment::of(variables.iter().copied()).read(RemoteWrite::read)
}

fn remote_write(variables: &[(&str, &str)]) -> RemoteWrite {
    let read = read(variables).unwrap_or_else(|errors| panic!("{errors:?}"));
    read.unwrap_or_else(|| panic!("nothing is set"))
}

fn errors(variables: &[(&str, &str)]) -> Vec<String> {
    let errors = read(variables).expect_err("a problem");
    assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
    errors.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_set_is_no_destination() {
    assert!(matches!(read(&[]), Ok(None)));
    assert!(matches!(read(&[(URL, ""), (PASSWORD, " \n")]), Ok(None)));
}

#[test]
fn each_kind_of_authentication_gives_its_header() {
    for (variables, authorization) in [
        (&[RECEIVER][..], None),
        (
            &[RECEIVER, (USERNAME, "123456"), (PASSWORD, "glc_abc")],
            Some("Basic MTIzNDU2OmdsY19hYmM="),
        ),
        (
            &[RECEIVER, (USERNAME, " Aladdin "), (PASSWORD, "open sesame\n")],
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (&[RECEIVER, (USERNAME, "test"), (PASSWORD, "123£")], Some("Basic dGVzdDoxMjPCow==")),
        (&[RECEIVER, (BEARER_TOKEN, "abc.def\r\n")], Some("Bearer abc.def")),
        (&[RECEIVER, (BEARER_TOKEN, "abc"), (USERNAME, "")], Some("Bearer abc")),
    ] {
        let header = remote_write(variables).authentication().authorization();
        assert_eq!(header.as_ref().map(Secret::expose), authorization, "{variables:?}");
    }
}

#[test]
fn the_url_is_used_as_it_is_and_a_tenant_goes_with_any_authentication() {
    let url = "http://localhost:9009/api/v1/push?x=1";
    let plain = remote_write(&[(URL, &format!(" {url} ")), (TENANT, " team-a ")]);
    assert_eq!(plain.url().to_string(), url);
    assert_eq!(plain.tenant(), Some("team-a"));

    let with_token = remote_write(&[RECEIVER, (TENANT, "b"), (BEARER_TOKEN, "t")]);
    assert_eq!(with_token.tenant(), Some("b"));
    assert!(with_token.authentication().authorization().is_some());
    assert_eq!(remote_write(&[RECEIVER]).tenant(), None);
}

#[test]
fn each_mistake_names_its_variable_and_what_to_do() {
    for (variables, start, remedy) in [
        (
            &[(URL, "http://localhost:9090")][..],
            "GRAFANA_REMOTE_WRITE_URL=`http://localhost:9090`: ",
            "`/api/v1/write`",
        ),
        (
            &[(URL, "http://me:hunter2@localhost/x")],
            "GRAFANA_REMOTE_WRITE_URL=`http://...`: ",
            "set GRAFANA_REMOTE_WRITE_USERNAME and GRAFANA_REMOTE_WRITE_PASSWORD instead",
        ),
        (
            &[(URL, "localhost/x?key=hunter2")],
            "GRAFANA_REMOTE_WRITE_URL=`localhost/x?...`: ",
            "no scheme",
        ),
        (
            &[(TENANT, "a")],
            "GRAFANA_REMOTE_WRITE_URL: is not set, but GRAFANA_REMOTE_WRITE_TENANT is; ",
            "write the URL",
        ),
        (
            &[RECEIVER, (USERNAME, "me")],
            "GRAFANA_REMOTE_WRITE_PASSWORD: is not set, but GRAFANA_REMOTE_WRITE_USERNAME is; ",
            "write the password",
        ),
        (
            &[RECEIVER, (PASSWORD, "hunter2")],
            "GRAFANA_REMOTE_WRITE_USERNAME: is not set, but GRAFANA_REMOTE_WRITE_PASSWORD is; ",
            "write the name",
        ),
        (
            &[RECEIVER, (USERNAME, "a:hunter2"), (PASSWORD, "hunter2")],
            "GRAFANA_REMOTE_WRITE_USERNAME: ",
            "a username must not",
        ),
        (
            &[RECEIVER, (USERNAME, "a"), (PASSWORD, "hunter2\tx")],
            "GRAFANA_REMOTE_WRITE_PASSWORD: ",
            "copy it again",
        ),
        (
            &[RECEIVER, (BEARER_TOKEN, "Bearer hunter2")],
            "GRAFANA_REMOTE_WRITE_BEARER_TOKEN: ",
            "token alone",
        ),
        (
            &[RECEIVER, (BEARER_TOKEN, "hunter2"), (USERNAME, "a"), (PASSWORD, "hunter2")],
            "GRAFANA_REMOTE_WRITE_USERNAME: is set together with GRAFANA_REMOTE_WRITE_BEARER_TOKEN; ",
            "keep the one",
        ),
        (&[RECEIVER, (TENANT, "a b")], "GRAFANA_REMOTE_WRITE_TENANT=`a b`: ", "`team-a`"),
    ] {
        let errors = errors(variables);
        let [text] = &*errors else { panic!("{errors:?}") };
        assert!(text.starts_with(start) && text.contains(remedy), "{text}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let errors = errors(&[(URL, "x"), (USERNAME, "a:b"), (TENANT, "ä")]);
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn debug_shows_the_receiver_but_no_secret() {
    for variables in [
        [(URL, "http://c/x?key=hunter2"), (USERNAME, "me"), (PASSWORD, "hunter2")],
        [(URL, "http://c/x?key=hunter2"), (BEARER_TOKEN, "hunter2"), (TENANT, "a")],
    ] {
        let text = format!("{:?}", remote_write(&variables));
        assert!(text.contains("http://c/x?...") && !text.contains("hunter2"), "{text}");
    }
}

//! Tests of the target with local servers: a receiver of metrics, and one that hands out tokens.

mod fake_google;

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Registry};
use meterkit_fakes::otlp::{Answer, Arrival, Receiver};
use meterkit_pipeline::{ExportError, Snapshot, Target};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::fake_google::FakeGoogle;
use crate::config::{GcpConfig, URL};
use crate::credentials::Access;
use crate::target::GcpTarget;

fn snapshot(second: u64) -> Snapshot {
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    counter.expect("a new name").add(1);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    Snapshot::new(Attributes::empty(), time, registry.read())
}

fn config(receiver: &Receiver) -> GcpConfig {
    GcpConfig::at(&format!("{}/v1/metrics", receiver.url())).expect("a URL")
}

/// Returns a target in a process with these variables.
fn target(config: GcpConfig, variables: &[(&str, &str)]) -> GcpTarget {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables: HashMap<_, _> = variables.collect();
    let access = Access::of(move |name| variables.get(name).cloned());
    GcpTarget::with_access(config, access).expect("a target")
}

fn on_a_machine(receiver: &Receiver, google: &FakeGoogle) -> GcpTarget {
    target(config(receiver), &[("GCE_METADATA_HOST", &google.authority())])
}

/// Writes credentials to a file in a new directory, and returns the directory and the path.
fn written(file: &Value) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("credentials.json");
    fs::write(&path, file.to_string()).expect("room for it");
    let path = path.to_str().expect("a path of letters").to_owned();
    (directory, path)
}

fn service_account(google: &FakeGoogle) -> Value {
    json!({
        "type": "service_account",
        "project_id": "project-of-the-key",
        "private_key_id": "key-1",
        "private_key": include_str!("tests/key.pem"),
        "client_email": "metrics@project-of-the-key.example",
        "token_uri": format!("{}/token", google.url()),
    })
}

fn user(google: &FakeGoogle) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "client.example",
        "client_secret": "5ecre7-of-the-client",
        "refresh_token": "5ecre7-to-refresh",
        "quota_project_id": "billing",
        "token_uri": format!("{}/token", google.url()),
    })
}

/// Returns the project in the resource of a received request.
fn project(arrival: &Arrival) -> Option<String> {
    let resource = arrival.content.resource_metrics.first()?.resource.as_ref()?;
    let attribute = resource.attributes.iter().find(|it| it.key == "gcp.project_id")?;
    Some(format!("{:?}", attribute.value))
}

#[tokio::test]
async fn the_machine_provides_a_token_which_is_cached_and_a_project() {
    let (google, receiver) = (FakeGoogle::start().await, Receiver::start([]).await);
    let mut target = on_a_machine(&receiver, &google);
    for second in [1, 2] {
        assert_eq!(target.export(&snapshot(second)).await, Ok(()));
    }
    assert_eq!(google.handed_out(), 1, "it is kept");
    for arrival in receiver.arrivals() {
        assert_eq!(arrival.headers["authorization"], "Bearer machine-5ecre7-1");
        assert_eq!(arrival.headers.get("x-goog-user-project"), None);
        let project = project(&arrival).expect("a project");
        assert!(project.contains("\"project-of-the-machine\""), "{project}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_again_before_it_expires() {
    let (google, receiver) = (FakeGoogle::start().await, Receiver::start([]).await);
    google.set_lifetime(4 * 60);
    let mut target = on_a_machine(&receiver, &google);
    for second in [1, 2] {
        assert_eq!(target.export(&snapshot(second)).await, Ok(()));
    }
    assert_eq!((google.handed_out(), receiver.accepted().len()), (2, 2));
}

#[tokio::test]
async fn a_token_that_is_rejected_is_fetched_again_and_the_request_is_sent_once_more() {
    let google = FakeGoogle::start().await;
    let said = r#"{"error":{"message":"machine-5ecre7-1 is invalid"}}"#;
    let answer = |status| Answer::Http(status, vec![("content-type", "application/json")], said);
    let receiver = Receiver::start([answer(401), Answer::Accept, answer(403)]).await;
    let mut target = on_a_machine(&receiver, &google);
    assert_eq!(target.export(&snapshot(1)).await, Ok(()));
    assert_eq!((google.handed_out(), receiver.arrivals().len()), (2, 2));
    assert_eq!(receiver.arrivals()[1].headers["authorization"], "Bearer machine-5ecre7-2");
    let error = target.export(&snapshot(2)).await.expect_err("no permission").to_string();
    assert!(error.contains("403"), "{error}");
    assert_eq!((google.handed_out(), target.rejected()), (2, 0), "another token is not tried");
}

#[tokio::test]
async fn a_service_account_signs_for_its_token_and_names_its_project() {
    let (google, receiver) = (FakeGoogle::start().await, Receiver::start([]).await);
    let (_directory, path) = written(&service_account(&google));
    let mut target = target(config(&receiver), &[("GOOGLE_APPLICATION_CREDENTIALS", &path)]);
    assert_eq!(target.export(&snapshot(1)).await, Ok(()));
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals[0].headers["authorization"], "Bearer service-5ecre7-1");
    assert!(project(&arrivals[0]).is_some_and(|it| it.contains("\"project-of-the-key\"")));
}

#[tokio::test]
async fn the_login_of_a_user_gets_tokens_and_names_the_project_that_is_billed() {
    let (google, receiver) = (FakeGoogle::start().await, Receiver::start([]).await);
    let home = tempfile::tempdir().expect("a temporary directory");
    let folder = home.path().join(".config/gcloud");
    fs::create_dir_all(&folder).expect("room for it");
    let path = folder.join("application_default_credentials.json");
    fs::write(path, user(&google).to_string()).expect("room for it");
    let home = home.path().to_str().expect("a path of letters");
    let mut without = target(config(&receiver), &[("HOME", home)]);
    let error = without.export(&snapshot(1)).await.expect_err("no project").to_string();
    assert!(error.contains("set `METERKIT_GCP_PROJECT`"), "{error}");
    let mut target = target(config(&receiver).with_project("chosen"), &[("HOME", home)]);
    assert_eq!(target.export(&snapshot(1)).await, Ok(()));
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals[0].headers["authorization"], "Bearer user-5ecre7-1");
    assert_eq!(arrivals[0].headers["x-goog-user-project"], "billing");
    assert!(project(&arrivals[0]).is_some_and(|it| it.contains("\"chosen\"")));
}

#[tokio::test]
async fn settings_override_credentials_and_the_resource_overrides_settings() {
    let (google, receiver) = (FakeGoogle::start().await, Receiver::start([]).await);
    let config = config(&receiver).with_project("chosen").with_quota_project("billed");
    let mut target = target(config, &[("GCE_METADATA_HOST", &google.authority())]);
    let mut snapshot = snapshot(1);
    assert_eq!(target.export(&snapshot).await, Ok(()));
    snapshot.resource = Attributes::from_pairs([("gcp.project_id".into(), "own".into())]);
    snapshot.time += Duration::from_secs(1);
    assert_eq!(target.export(&snapshot).await, Ok(()));
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals[0].headers["x-goog-user-project"], "billed");
    let projects: Vec<_> = arrivals.iter().filter_map(project).collect();
    assert!(projects[0].contains("\"chosen\"") && projects[1].contains("\"own\""), "{projects:?}");
}

#[tokio::test]
async fn errors_about_credentials_do_not_quote_them() {
    let (google, receiver) = (FakeGoogle::start().await, Receiver::start([]).await);
    let with = |mut file: Value, key: &str, value: &str| {
        file[key] = value.into();
        file
    };
    for (file, expected) in [
        (with(user(&google), "refresh_token", "5ecre7-revoked"), "invalid_grant"),
        (with(user(&google), "client_secret", ""), "the credentials have no `client_secret`"),
        (
            with(service_account(&google), "private_key", "5ecre7"),
            "a `private_key` that is not an RSA key in PEM format",
        ),
        (
            with(user(&google), "type", "external_account"),
            "has credentials of type `external_account`; `service_account` and `authorized_user` are supported",
        ),
        (Value::from("5ecre7"), "has credentials of type ``"),
    ] {
        let (_directory, path) = written(&file);
        let config = config(&receiver).with_project("p");
        let mut target = target(config, &[("GOOGLE_APPLICATION_CREDENTIALS", &path)]);
        let error = target.export(&snapshot(1)).await.expect_err("no token");
        assert!(matches!(error, ExportError::Retryable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains("5ecre7"), "{text}");
        assert!(!format!("{target:?}").contains("5ecre7"));
    }
    for (variables, expected) in [
        (
            [("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")],
            "file `/nowhere.json` cannot be read",
        ),
        ([("GCE_METADATA_HOST", "127.0.0.1:9")], "the request to the metadata server failed"),
    ] {
        let mut target = target(config(&receiver), &variables);
        let error = target.export(&snapshot(1)).await.expect_err("no project").to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(receiver.arrivals().len(), 0);
}

#[test]
fn the_endpoint_of_google_is_a_url() {
    assert_eq!(GcpConfig::new().endpoint(), URL);
}

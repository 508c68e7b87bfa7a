//! Tests of the target with a local server that verifies signatures and hands out credentials.

mod fake_aws;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Registry};
use meterkit_otlp::OtlpTarget;
use meterkit_pipeline::{ExportError, Snapshot, Target};
use reqsign_core::StaticEnv;

use self::fake_aws::FakeAws;
use crate::CloudWatchConfig;
use crate::credentials::{AwsCredentials, context};

const REGION: &str = "eu-west-1";

fn snapshot(second: u64) -> Snapshot {
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    counter.expect("a new name").add(1);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    Snapshot::new(Attributes::empty(), time, registry.read())
}

/// Returns a target in a process with these variables and this home directory.
fn target(aws: &FakeAws, variables: &[(&str, &str)], home: Option<PathBuf>) -> OtlpTarget {
    let envs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = StaticEnv { home_dir: home, envs: envs.collect::<HashMap<_, _>>() };
    let credentials = AwsCredentials::new(REGION, context(environment, None));
    let url = format!("{}/v1/metrics", aws.url());
    let config = CloudWatchConfig::at(REGION, &url).expect("a URL");
    OtlpTarget::new(config.into_otlp_with(credentials)).expect("a target")
}

/// Returns a target on an EC2 instance.
fn on_an_instance(aws: &FakeAws) -> OtlpTarget {
    target(aws, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.url())], None)
}

#[tokio::test]
async fn requests_are_signed_with_cached_credentials_of_the_instance() {
    let aws = FakeAws::start().await;
    let mut target = on_an_instance(&aws);
    for second in [1, 2, 3] {
        assert_eq!(target.export(&snapshot(second)).await, Ok(()));
    }
    assert_eq!((aws.accepted(), aws.refused()), (3, vec![]));
    assert_eq!(aws.handed_out(), 1, "they are kept");
}

#[tokio::test]
async fn credentials_are_fetched_again_before_they_expire() {
    let aws = FakeAws::start().await;
    aws.set_lifetime(Duration::from_secs(4 * 60));
    let mut target = on_an_instance(&aws);
    for second in [1, 2] {
        assert_eq!(target.export(&snapshot(second)).await, Ok(()));
    }
    assert_eq!((aws.accepted(), aws.refused(), aws.handed_out()), (2, vec![], 2));
}

#[tokio::test]
async fn credentials_that_aws_has_revoked_are_fetched_again_and_the_request_is_sent_once_more() {
    let aws = FakeAws::start().await;
    let mut target = on_an_instance(&aws);
    assert_eq!(target.export(&snapshot(1)).await, Ok(()));
    aws.revoke_all();
    assert_eq!(target.export(&snapshot(2)).await, Ok(()));
    assert_eq!((aws.accepted(), aws.refused()), (2, vec!["ExpiredTokenException"]));
    assert_eq!((aws.handed_out(), target.rejected_points()), (2, 0));
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_with_the_time_of_aws() {
    for ahead in [3600, -3600] {
        let aws = FakeAws::start().await;
        aws.set_clock_ahead(ahead);
        let mut target = on_an_instance(&aws);
        for second in [1, 2] {
            assert_eq!(target.export(&snapshot(second)).await, Ok(()), "{ahead}");
        }
        assert_eq!((aws.accepted(), aws.refused()), (2, vec!["SignatureDoesNotMatch: expired"]));
        assert_eq!(aws.handed_out(), 1, "they were not at fault");
    }
}

#[tokio::test]
async fn a_wrong_key_is_reported_and_loses_nothing() {
    let aws = FakeAws::start().await;
    aws.add_key("AKIDEXAMPLE", "another key");
    let variables = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "5ecre7key")];
    let mut target = target(&aws, &variables, None);
    let error = target.export(&snapshot(1)).await.expect_err("a refusal");
    assert!(matches!(error, ExportError::Permanent { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("403") && text.contains("SignatureDoesNotMatch"), "{text}");
    assert_eq!(aws.refused().len(), 2, "the key may have been replaced, so it is tried once more");
    assert_eq!(target.rejected_points(), 0);
    for shown in [text, format!("{target:?}")] {
        assert!(!shown.contains("5ecre7") && !shown.contains("AKIDEXAMPLE"), "{shown}");
    }
}

#[tokio::test]
async fn credentials_are_found_where_the_tools_of_aws_find_them() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let folder = home.path().join(".aws");
    fs::create_dir(&folder).expect("room for it");
    let keys = |name: &str| {
        format!("[{name}]\naws_access_key_id = AKIDFILE\naws_secret_access_key = key of the file\n")
    };
    fs::write(folder.join("credentials"), keys("default")).expect("room for it");
    fs::write(folder.join("config"), keys("profile work").replace("FILE", "WORK"))
        .expect("room for it");
    let aws = FakeAws::start().await;
    for (id, secret) in [
        ("AKIDENV", "key of the environment"),
        ("AKIDFILE", "key of the file"),
        ("AKIDWORK", "key of the file"),
    ] {
        aws.add_key(id, secret);
    }
    let url = aws.url();
    let container = format!("{url}/container");
    let environment =
        [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "key of the environment")];
    let in_a_container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*container),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer 5ecre7"),
    ];
    let on_an_instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url)];
    let work = [("AWS_PROFILE", "work")];
    let has_files = Some(home.path().to_owned());
    for (variables, home, expected) in [
        (
            [&environment[..], &in_a_container, &on_an_instance].concat(),
            has_files.clone(),
            "AKIDENV",
        ),
        ([&in_a_container[..], &on_an_instance].concat(), has_files.clone(), "AKIDFILE"),
        (work.to_vec(), has_files, "AKIDWORK"),
        ([&in_a_container[..], &on_an_instance].concat(), None, "ASIACONTAINER1"),
        (on_an_instance.to_vec(), None, "ASIAINSTANCE2"),
    ] {
        let mut target = target(&aws, &variables, home);
        assert_eq!(target.export(&snapshot(1)).await, Ok(()), "{expected}");
        assert_eq!(aws.last_key(), expected);
    }
}

#[tokio::test]
async fn a_source_that_fails_ends_the_search_and_is_named() {
    let aws = FakeAws::start().await;
    let (url, container) = (aws.url(), format!("{}/nothing", aws.url()));
    let instance = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url);
    for (variables, expected) in [
        (
            vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*container), instance],
            "the container's endpoint has no credentials",
        ),
        (
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/metrics"),
                instance,
            ],
            "the web identity has no credentials",
        ),
        (
            vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")],
            "the instance's metadata service has no credentials",
        ),
        (vec![("AWS_EC2_METADATA_DISABLED", "true")], "no source of AWS credentials is configured"),
    ] {
        let mut target = target(&aws, &variables, None);
        let error = target.export(&snapshot(1)).await.expect_err("no credentials");
        assert!(matches!(error, ExportError::Retryable { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!((aws.handed_out(), aws.accepted(), aws.refused()), (0, 0, vec![]));
    }
}

#[test]
fn only_names_of_regions_become_part_of_the_endpoint() {
    for (region, url) in [
        ("us-east-1", Some("https://monitoring.us-east-1.amazonaws.com/v1/metrics")),
        ("cn-northwest-1", Some("https://monitoring.cn-northwest-1.amazonaws.com.cn/v1/metrics")),
        ("us-east-1.evil.example/", None),
        ("US-EAST-1", None),
        ("", None),
    ] {
        let config = CloudWatchConfig::new(region);
        assert_eq!(config.as_ref().map(CloudWatchConfig::endpoint).ok().as_deref(), url);
        let text = config.err().map(|error| error.to_string());
        assert!(text.is_none_or(|it| it.contains("write a region such as `eu-west-1`")));
    }
}

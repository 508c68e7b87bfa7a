//! The group that metrics are pushed to, and its deletion.

use http::Method;
use meterkit_core::{Attributes, Registry};
use meterkit_fakes::pushgateway::{Answer, Receiver};
use meterkit_pipeline::{Cause, ExportError, Pipeline, Schedule, Target};
use meterkit_pushgateway::PushgatewayTarget;
use std::time::Duration;

use crate::snapshots::{attributes, config, snapshot, target};

#[tokio::test]
async fn the_group_is_named_by_settings_or_else_by_the_resource() {
    let receiver = Receiver::start([]).await;
    let nightly = config(&receiver).with_job("nightly").expect("a job");
    let labeled = nightly.clone().with_grouping_label("path", "/var/tmp").expect("a label");
    let labeled = labeled.with_grouping_label("instance", "").expect("a label");
    let service = attributes(&[("service.name", "im port")]);
    for (config, resource, path) in [
        (config(&receiver), service.clone(), "/metrics/job@base64/aW0gcG9ydA"),
        (config(&receiver), Attributes::empty(), "/metrics/job/unknown_service"),
        (nightly, service.clone(), "/metrics/job/nightly"),
        (labeled, service, "/metrics/job/nightly/path@base64/L3Zhci90bXA/instance@base64/="),
    ] {
        let mut target = PushgatewayTarget::new(config).expect("a target");
        let mut snapshot = snapshot(1, &[(&[], 1)]);
        snapshot.resource = resource;
        assert_eq!(target.export(&snapshot).await, Ok(()));
        assert_eq!(receiver.arrivals().last().map(|it| &*it.path), Some(path));
    }
    assert_eq!(receiver.groups().len(), 4);
}

#[tokio::test]
async fn a_group_is_deleted_on_request() {
    let receiver = Receiver::start([]).await;
    let mut target = target(&receiver);
    let group = target.group();
    assert_eq!(group.delete().await, Ok(()));
    assert_eq!(receiver.count(), 0, "nobody knows yet which it is");
    assert_eq!(target.export(&snapshot(1, &[(&[], 1)])).await, Ok(()));
    assert_eq!(receiver.groups().len(), 1);
    target.shutdown().await;
    assert_eq!(receiver.groups().len(), 1, "it stays");
    drop(target);
    assert_eq!(group.delete().await, Ok(()));
    let last = receiver.arrivals().pop().expect("a deletion");
    assert_eq!((last.content.method, &*last.path), (Method::DELETE, "/metrics/job/import"));
    assert!(receiver.groups().is_empty());

    receiver.answer_next([Answer::Http(500, Vec::new(), "disk"), Answer::status(404)]);
    let error = group.delete().await.expect_err("it failed");
    let expected = ExportError::retryable("HTTP status 500 Internal Server Error: disk");
    assert_eq!(error, expected.with_cause(Cause::Http(500)));
    assert!(matches!(group.delete().await, Err(ExportError::Permanent { .. })));
}

#[tokio::test]
async fn a_group_whose_job_is_set_can_be_deleted_before_anything_is_pushed() {
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_job("nightly").expect("a job");
    let group = PushgatewayTarget::new(config).expect("a target").group();
    assert_eq!(group.delete().await, Ok(()));
    assert_eq!(receiver.arrivals()[0].path, "/metrics/job/nightly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_pushes_at_the_end_and_deletes_after_that_if_it_is_to() {
    for is_deleted in [false, true] {
        let receiver = Receiver::start([]).await;
        let registry = Registry::new();
        let rows = registry.scoped("plugin", "import").counter::<u64>("rows").build();
        let rows = rows.expect("a good name");
        let config = config(&receiver).with_delete_on_shutdown(is_deleted);
        let target = PushgatewayTarget::new(config).expect("a target");
        let hourly = Schedule { interval: Duration::from_secs(3600), ..Schedule::default() };
        let pipeline = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = pipeline.target(target, hourly).start().expect("a thread");
        rows.add(5);
        assert!(pipeline.shutdown(Duration::from_secs(60)).await.is_ok());
        let arrivals = receiver.arrivals();
        assert_eq!(arrivals.len(), 1 + usize::from(is_deleted));
        let line =
            r#"backstage_plugin_import_rows_total{otel_scope_name="backstage.plugin.import"} 5"#;
        assert!(arrivals[0].content.text.contains(line), "{}", arrivals[0].content.text);
        assert_eq!(receiver.groups().is_empty(), is_deleted);
    }
}

//! Gateways that do not accept a push.

use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::gate::until;
use meterkit_fakes::pushgateway::{Answer, Receiver};
use meterkit_fakes::raw::RawServer;
use meterkit_pipeline::{Checked, ExportError, Pipeline, Schedule, Target};
use meterkit_pushgateway::{Authentication, PushgatewayConfig, PushgatewayTarget, Secret};

use crate::snapshots::{config, snapshot, target};

#[tokio::test]
async fn the_next_push_includes_what_a_failed_one_contained() {
    for status in [408, 429, 500, 502, 503, 504] {
        let busy = Answer::Http(status, vec![("retry-after", "7")], "busy");
        let receiver = Receiver::start([busy]).await;
        let mut target = target(&receiver);
        let outcome = target.export(&snapshot(1, &[(&[], 1)])).await;
        let Err(ExportError::Retryable { reason, retry_after, .. }) = outcome else {
            panic!("{status}: {outcome:?}");
        };
        assert!(reason.ends_with(": busy"), "{reason}");
        assert_eq!(retry_after, Some(Duration::from_secs(7)), "{status}");
        assert_eq!(target.export(&snapshot(2, &[(&[], 3)])).await, Ok(()));
        assert!(receiver.groups()["/metrics/job/import"].ends_with(" 3\n"));
        assert_eq!(receiver.count(), 2, "nothing is queued");
    }
}

#[tokio::test]
async fn a_refusal_is_quoted_without_credentials_and_ends_with_a_push_that_is_accepted() {
    let said =
        "pushed metrics are invalid or inconsistent with existing metrics: hunter2\nrows\u{7}";
    for status in [301, 400, 401, 403, 404, 405, 413, 422] {
        let receiver = Receiver::start([Answer::Http(status, Vec::new(), said)]).await;
        let token = Authentication::Bearer { token: Secret::new("hunter2") };
        let config = config(&receiver).with_authentication(token);
        let mut target = PushgatewayTarget::new(config).expect("a target");
        let error = target.export(&snapshot(1, &[(&[], 1)])).await.expect_err("it is refused");
        assert!(matches!(error, ExportError::Permanent { .. }), "{status}: {error:?}");
        let error = error.to_string();
        assert!(error.starts_with(&format!("HTTP status {status} ")), "{error}");
        let shown =
            "pushed metrics are invalid or inconsistent with existing metrics: ... rows\\u{7}";
        assert!(error.contains(shown), "{error}");
        assert_eq!(target.export(&snapshot(2, &[(&[], 2)])).await, Ok(()));
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_or_breaks_off_may_come_back() {
    let receiver = Receiver::start([Answer::Cut]).await;
    let mut target = target(&receiver);
    let outcome = target.export(&snapshot(1, &[(&[], 1)])).await;
    assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{outcome:?}");
    assert_eq!(target.export(&snapshot(2, &[(&[], 2)])).await, Ok(()));
    receiver.stop().await;
    let outcome = target.export(&snapshot(3, &[(&[], 3)])).await;
    assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{outcome:?}");
    // The shutdown does not wait for the gateway.
    target.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_shows_a_refusal_until_a_push_is_accepted() {
    let receiver = Receiver::start([]).await;
    receiver.answer_if(|_| true, || Answer::Http(400, Vec::new(), "inconsistent"));
    let schedule = Schedule { interval: Duration::from_millis(50), ..Schedule::default() };
    let pipeline = Pipeline::builder(Registry::new()).expect("a registry of its own");
    let pipeline = pipeline.target(target(&receiver), schedule).start().expect("a thread");
    let failure = || {
        let health = pipeline.health();
        let target = health.targets.iter().find(|it| it.name == "pushgateway");
        let target = target.expect("the target");
        let error = target.last_error.as_ref().map(|error| error.text.clone());
        error.filter(|_| target.consecutive_failures > 0)
    };
    until("it is refused", || failure().is_some());
    assert_eq!(failure().as_deref(), Some("HTTP status 400 Bad Request: inconsistent"));
    receiver.answer_if(|_| false, || Answer::Accept);
    until("it is accepted", || failure().is_none());
    let _ = pipeline.shutdown(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_check_asks_whether_the_gateway_is_ready_and_pushes_nothing() {
    let not_found = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    for (server, is_ready) in
        [(RawServer::accepting().await, true), (RawServer::saying(not_found).await, false)]
    {
        let config = PushgatewayConfig::new(&format!("{}/prefix", server.url())).expect("a URL");
        let mut target = PushgatewayTarget::new(config).expect("a target");
        assert!(!target.is_checked_at_start());
        match target.check().await {
            Ok(checked) => {
                assert!(is_ready);
                assert_eq!(checked, Checked::Accepted("the gateway is ready".to_owned()));
            }
            Err(error) => {
                assert!(!is_ready);
                let advice = "check the URL in `METERKIT_PUSHGATEWAY_URL`";
                assert!(error.to_string().ends_with(advice), "{error}");
            }
        }
        let heads = server.heads();
        assert!(heads[0].starts_with("GET /prefix/-/ready HTTP/1.1\r\n"), "{heads:?}");
    }
}

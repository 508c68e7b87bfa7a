//! Negotiation of the version: the responses of the receiver decide, and the result is remembered.

use meterkit_fakes::raw::RawServer;
use meterkit_fakes::remote_write::{Answer, Receiver, Speaks};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_pipeline::{Cause, Checked, ExportError, Target};

use crate::snapshots::{snapshot, target};

fn versions(receiver: &Receiver) -> Vec<String> {
    receiver.arrivals().iter().map(|arrival| arrival.version().to_owned()).collect()
}

#[tokio::test]
async fn a_receiver_of_2_gets_2() {
    let receiver = Receiver::speaking(Speaks::Two, []).await;
    let mut target = target(&receiver);
    for second in 1..=3 {
        assert_eq!(target.export(&snapshot(second, &[second])).await, Ok(()));
    }
    assert_eq!(versions(&receiver), ["2.0.0"; 3]);
}

#[tokio::test]
async fn a_receiver_of_1_gets_1_after_one_request_in_2() {
    for speaks in [Speaks::One, Speaks::OneBadly, Speaks::OneSilently] {
        let receiver = Receiver::speaking(speaks, []).await;
        let mut target = target(&receiver);
        let counts = target.counts();
        for second in 1..=3 {
            assert_eq!(target.export(&snapshot(second, &[second])).await, Ok(()), "{speaks:?}");
        }
        assert_eq!(versions(&receiver), ["2.0.0", "0.1.0", "0.1.0", "0.1.0"], "{speaks:?}");
        let values: Vec<_> =
            receiver.taken().iter().map(|arrival| (arrival.time(), arrival.values())).collect();
        let expected = [(1000, vec![1.0]), (2000, vec![2.0]), (3000, vec![3.0])];
        assert_eq!(values, expected, "nothing is lost on the way: {speaks:?}");
        assert_eq!((counts.written(), counts.refused()), (3, 0), "{speaks:?}");
    }
}

#[tokio::test]
async fn what_waited_in_2_goes_out_in_1() {
    let receiver =
        Receiver::speaking(Speaks::One, [Answer::status(503), Answer::status(503)]).await;
    let mut target = target(&receiver);
    for second in 1..=2 {
        assert!(target.export(&snapshot(second, &[second, 7])).await.is_err());
    }
    assert_eq!(target.export(&snapshot(3, &[3, 7])).await, Ok(()));
    let all = ["2.0.0", "2.0.0", "2.0.0", "0.1.0", "0.1.0", "0.1.0"];
    assert_eq!(versions(&receiver), all);
    let times: Vec<_> = receiver.taken().iter().map(|it| (it.time(), it.values())).collect();
    let expected = [(1000, vec![1.0, 7.0]), (2000, vec![2.0, 7.0]), (3000, vec![3.0, 7.0])];
    assert_eq!(times, expected);
}

#[tokio::test]
async fn a_request_that_is_bad_in_both_versions_says_nothing_of_the_receiver() {
    let bad = || Answer::Http(400, Vec::new(), "out of bounds");
    let receiver = Receiver::speaking(Speaks::Two, [bad(), bad()]).await;
    let mut target = target(&receiver);
    let error = target.export(&snapshot(1, &[1])).await.expect_err("it is lost");
    assert_eq!(error.cause(), Cause::Http(400));
    let text = error.to_string();
    assert!(text.starts_with("HTTP status 400 Bad Request: out of bounds; "), "{text}");
    assert!(text.contains("the clock of this machine is behind"), "{text}");
    assert_eq!(target.export(&snapshot(2, &[2])).await, Ok(()));
    assert_eq!(versions(&receiver), ["2.0.0", "0.1.0", "2.0.0"]);
    assert_eq!(target.counts().refused(), 1);
}

#[tokio::test]
async fn a_receiver_that_spoke_2_is_not_doubted_for_a_bad_request() {
    let receiver = Receiver::start([Answer::Accept, Answer::status(400)]).await;
    let mut target = target(&receiver);
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    assert!(target.export(&snapshot(2, &[2])).await.is_err());
    assert_eq!(target.export(&snapshot(3, &[3])).await, Ok(()));
    assert_eq!(versions(&receiver), ["2.0.0"; 3]);
}

#[tokio::test]
async fn a_receiver_of_2_that_refuses_a_part_is_not_doubted() {
    let receiver = Receiver::start([Answer::Wrote(400, 1, 0)]).await;
    let mut target = target(&receiver);
    assert_eq!(target.export(&snapshot(1, &[1, 2, 3])).await, Ok(()), "the receiver wrote a part");
    assert_eq!(target.rejected(), 2);
    assert_eq!(target.export(&snapshot(2, &[1, 2, 3])).await, Ok(()));
    assert_eq!(target.rejected(), 0);
    assert_eq!(versions(&receiver), ["2.0.0"; 2], "the part is not sent again");
    assert_eq!((target.counts().written(), target.counts().refused()), (4, 2));
}

#[tokio::test]
async fn a_request_that_failed_in_part_is_sent_again_as_a_whole() {
    for status in [429, 500, 503] {
        let receiver = Receiver::start([Answer::Accept, Answer::Wrote(status, 1, 0)]).await;
        let mut target = target(&receiver);
        assert_eq!(target.export(&snapshot(1, &[1, 2, 3])).await, Ok(()));
        let outcome = target.export(&snapshot(2, &[4, 5, 6])).await;
        assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{status}: {outcome:?}");
        assert_eq!(target.export(&snapshot(2, &[4, 5, 6])).await, Ok(()));
        let arrivals = receiver.arrivals();
        assert_eq!(arrivals[1].body, arrivals[2].body, "{status}");
        let counts = target.counts();
        assert_eq!((counts.written(), counts.refused(), counts.waiting_requests()), (6, 0, 0));
    }
}

#[tokio::test]
async fn a_receiver_that_is_replaced_by_an_older_one_gets_1() {
    for older in [Answer::Swallow, Answer::status(415)] {
        let receiver = Receiver::start([Answer::Accept, older.clone()]).await;
        let mut target = target(&receiver);
        for second in 1..=3 {
            assert_eq!(target.export(&snapshot(second, &[1])).await, Ok(()), "{older:?}");
        }
        assert_eq!(versions(&receiver), ["2.0.0", "2.0.0", "0.1.0", "0.1.0"], "{older:?}");
        assert_eq!(receiver.taken().len(), 3);
    }
}

#[tokio::test]
async fn a_receiver_that_supports_no_version_is_not_asked_again_and_again() {
    let refuse = || Answer::status(415);
    let receiver = Receiver::speaking(Speaks::One, [refuse(), refuse()]).await;
    let mut target = target(&receiver);
    let outcome = target.export(&snapshot(1, &[1])).await;
    assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
    assert_eq!(versions(&receiver), ["2.0.0", "0.1.0"]);
}

#[tokio::test]
async fn the_body_of_a_success_is_ignored() {
    // The body of a success must not be taken for a refusal.
    let body = "400 Bad Request: out of order sample";
    let written = vec![("x-prometheus-remote-write-samples-written", "2")];
    let receiver = Receiver::start([Answer::Http(200, written, body)]).await;
    let mut target = target(&receiver);
    assert_eq!(target.export(&snapshot(1, &[1, 2])).await, Ok(()));
    assert_eq!((target.counts().written(), target.counts().refused()), (2, 0));
}

#[tokio::test]
async fn a_megabyte_of_an_answer_is_not_quoted() {
    let megabyte = String::leak("x".repeat(1 << 20));
    let receiver = Receiver::start([Answer::Accept, Answer::Http(400, Vec::new(), megabyte)]).await;
    let mut target = target(&receiver);
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    let error = target.export(&snapshot(2, &[1])).await.expect_err("it is refused");
    assert!(error.to_string().len() < 2000, "{}", error.to_string().len());
    assert_eq!(target.export(&snapshot(3, &[1])).await, Ok(()));
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_tried_again() {
    let destination = RemoteWrite::new("http://nowhere.invalid:9009/api/v1/push").expect("a URL");
    let mut target = RemoteWriteTarget::new(RemoteWriteConfig::new(destination)).expect("a target");
    for second in 1..=2 {
        let outcome = target.export(&snapshot(second, &[1])).await;
        assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{outcome:?}");
    }
    assert_eq!((target.counts().waiting_requests(), target.counts().refused()), (2, 0));
}

#[tokio::test]
async fn a_check_sends_a_request_without_series_in_a_version_that_the_receiver_speaks() {
    let unsupported = "HTTP/1.1 415 Unsupported Media Type\r\ncontent-length: 0\r\n\r\n";
    for (server, versions) in [
        (RawServer::accepting().await, &["0.1.0"][..]),
        (RawServer::saying(unsupported).await, &["0.1.0", "2.0.0"]),
    ] {
        let remote_write = RemoteWrite::new(&format!("{}/api/v1/write", server.url()));
        let config = RemoteWriteConfig::new(remote_write.expect("a URL"));
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        assert!(!target.is_checked_at_start());
        let checked = target.check().await;
        let heads = server.heads();
        assert_eq!(heads.len(), versions.len(), "{heads:?}");
        for (head, version) in heads.iter().zip(versions) {
            let expected = format!("x-prometheus-remote-write-version: {version}\r\n");
            assert!(head.contains(&expected) && head.contains("content-length: 1\r\n"), "{head}");
        }
        match versions {
            [_] => assert_eq!(checked, Ok(Checked::Accepted("accepted an empty request".into()))),
            _ => assert_eq!(checked.expect_err("it speaks neither").cause(), Cause::Http(415)),
        }
        assert_eq!(target.queue().unwrap_or_default().requests, 0, "nothing is queued");
    }
}

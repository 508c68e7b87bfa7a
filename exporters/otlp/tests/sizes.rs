//! Snapshots that exceed the maximum size of a request.

use std::time::{Duration, SystemTime};

use meterkit_fakes::otlp::{Answer, Receiver};
use meterkit_otlp::{OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{ExportError, Snapshot, Target};

use crate::snapshots;
use crate::snapshots::{ALL, config, snapshot, target, totals, values};

/// Returns a snapshot of several kilobytes.
fn long(second: u64) -> Snapshot {
    snapshot(second, &(0..100).collect::<Vec<u64>>())
}

#[tokio::test]
async fn what_is_too_long_goes_out_in_several_requests() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let config = config(protocol, &receiver).with_max_request_bytes(1500);
        let mut target = OtlpTarget::new(config).expect("a target");
        target.export(&long(1)).await.expect("it is accepted");
        let arrivals = receiver.arrivals();
        assert!(arrivals.len() > 2, "{}", arrivals.len());
        assert!(arrivals.iter().all(|it| it.was_taken && it.plain.len() <= 1500));
        let sent: Vec<i64> = arrivals.iter().flat_map(|it| values(&it.content)).collect();
        assert_eq!(sent, (0..100).collect::<Vec<i64>>());
        assert!(!target.is_partway());
        assert_eq!((target.rejected_points(), target.losses().oversized_requests()), (0, 0));
    }
}

#[tokio::test]
async fn the_limit_of_a_receiver_is_found_out_and_kept() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        receiver.limit(1500);
        let mut target = target(protocol, &receiver);
        target.export(&long(1)).await.expect("it is accepted");
        let refused = receiver.arrivals().iter().filter(|it| !it.was_taken).count();
        assert!(refused > 0);
        assert_eq!(target.losses().oversized_requests(), refused as u64);
        target.export(&long(2)).await.expect("it is accepted");
        let arrivals = receiver.arrivals();
        let again = arrivals.iter().filter(|it| !it.was_taken).count();
        assert_eq!(again, refused, "nothing too long is sent any more");
        let sent: Vec<i64> = receiver.accepted().iter().flat_map(values).collect();
        assert_eq!(sent, (0..100).chain(0..100).collect::<Vec<i64>>());
        assert_eq!(target.rejected_points(), 0);
    }
}

#[tokio::test]
async fn a_single_point_that_is_too_long_is_an_error() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let config = config(protocol, &receiver).with_max_request_bytes(20);
        let mut target = OtlpTarget::new(config).expect("a target");
        let error = target.export(&snapshot(1, &[1])).await.expect_err("too long").to_string();
        assert!(error.contains("more than the allowed 20"), "{error}");
        receiver.limit(20);
        let error = snapshots::target(protocol, &receiver).export(&snapshot(1, &[1])).await;
        assert!(matches!(error, Err(ExportError::Permanent { .. })), "{error:?}");
        assert_eq!(receiver.accepted().len(), 0);
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_every_size_does_not_get_each_point() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        receiver.limit(0);
        let mut target = target(protocol, &receiver);
        let outcome = target.export(&long(1)).await;
        assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
        let asked = receiver.arrivals().len();
        assert!(asked < 10, "{asked} requests");
    }
}

#[tokio::test]
async fn after_a_failure_in_between_only_the_rest_is_sent() {
    for protocol in ALL {
        let busy = match protocol {
            Protocol::Grpc => Answer::Grpc(14, "busy", Vec::new()),
            _ => Answer::Http(503, Vec::new(), ""),
        };
        let receiver = Receiver::start([Answer::Accept, busy, Answer::Accept, Answer::Cut]).await;
        let config = config(protocol, &receiver)
            .with_max_request_bytes(1500)
            .with_temporality(TemporalityPreference::Delta);
        let mut target = OtlpTarget::new(config).expect("a target");
        let given = long(1);
        let mut failures = 0;
        while target.export(&given).await.is_err() {
            assert!(target.is_partway());
            failures += 1;
        }
        assert_eq!(failures, 2);
        assert!(!target.is_partway());
        let sent: Vec<i64> = receiver.accepted().iter().flat_map(values).collect();
        assert_eq!(sent, (0..100).collect::<Vec<i64>>(), "{protocol}");
    }
}

#[tokio::test]
async fn a_part_that_is_refused_for_good_does_not_hold_up_the_others() {
    for protocol in ALL {
        let malformed = move || match protocol {
            Protocol::Grpc => Answer::Grpc(3, "bad metric", Vec::new()),
            _ => Answer::Http(400, Vec::new(), "bad metric"),
        };
        let receiver = Receiver::start([]).await;
        receiver.answer_if(|request| values(request).contains(&77), malformed);
        let config = config(protocol, &receiver).with_max_request_bytes(1500);
        let mut target = OtlpTarget::new(config).expect("a target");
        assert_eq!(target.export(&long(1)).await, Ok(()));
        let accepted: i64 = totals(&receiver.accepted()).len() as i64;
        assert_eq!(target.rejected_points() as i64, 100 - accepted);
        assert_eq!(accepted, 99);
    }
}

#[tokio::test]
async fn a_new_snapshot_starts_a_new_export() {
    let receiver = Receiver::start([Answer::Accept, Answer::Http(503, Vec::new(), "")]).await;
    let config = config(Protocol::HttpProtobuf, &receiver).with_max_request_bytes(1500);
    let mut target = OtlpTarget::new(config).expect("a target");
    assert!(target.export(&long(1)).await.is_err());
    target.export(&long(2)).await.expect("it is accepted");
    let two = SystemTime::UNIX_EPOCH + Duration::from_secs(2);
    assert_eq!(long(2).time, two);
    let arrivals = receiver.arrivals();
    let sent: Vec<i64> = arrivals[2..].iter().flat_map(|it| values(&it.content)).collect();
    assert_eq!(sent, (0..100).collect::<Vec<i64>>(), "a total is sent in full");
}

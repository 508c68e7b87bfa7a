//! Only points that the receiver never accepts are lost, and no point is lost while the receiver refuses everything.

use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::otlp::{Answer, Receiver};
use meterkit_otlp::{OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{ExportError, Pipeline, Schedule, Snapshot, Target};

use crate::snapshots::{ALL, config, snapshot, target, totals, values};

/// Returns a snapshot in which the point of shard n has the value n.
fn shards(second: u64, count: u64) -> Snapshot {
    snapshot(second, &(0..count).collect::<Vec<_>>())
}

/// Refuses requests that contain a point with such a value: over gRPC with a code, over HTTP with a status.
fn refuse(
    receiver: &Receiver,
    protocol: Protocol,
    refusal: (i32, u16),
    is_bad: impl Fn(i64) -> bool + Send + 'static,
) {
    let is_such = move |request: &_| values(request).into_iter().any(&is_bad);
    receiver.answer_if(is_such, answer(protocol, refusal));
}

fn answer(protocol: Protocol, (code, status): (i32, u16)) -> impl Fn() -> Answer {
    move || match protocol {
        Protocol::Grpc => Answer::Grpc(code, "bad", Vec::new()),
        _ => Answer::Http(status, Vec::new(), "bad"),
    }
}

#[tokio::test]
async fn a_point_whose_content_is_refused_is_lost_alone() {
    for protocol in ALL {
        for status in [400, 422] {
            let receiver = Receiver::start([]).await;
            refuse(&receiver, protocol, (3, status), |value| [3, 500].contains(&value));
            let mut target = target(protocol, &receiver);
            for second in 1..=2 {
                assert_eq!(target.export(&shards(second, 1000)).await, Ok(()), "{protocol}");
                assert_eq!(target.rejected(), 2);
            }
            assert_eq!(totals(&receiver.accepted()).len(), 998, "{protocol}");
            assert!(receiver.count() < 120, "{protocol}: {}", receiver.count());
        }
    }
}

#[tokio::test]
async fn a_point_on_which_the_receiver_fails_is_lost_alone_once_that_lasts() {
    for protocol in ALL {
        for refusal in [(13, 500), (2, 501), (14, 503)] {
            let receiver = Receiver::start([]).await;
            refuse(&receiver, protocol, refusal, |value| value == 77);
            let mut target = target(protocol, &receiver);
            let patience = if refusal.1 == 503 { 9 } else { 2 };
            for second in 1..=patience {
                assert!(target.export(&shards(second, 100)).await.is_err());
                assert!(!target.is_partway());
            }
            assert_eq!(receiver.count(), patience as usize, "{protocol} {refusal:?}");
            for second in 11..=13 {
                assert_eq!(target.export(&shards(second, 100)).await, Ok(()), "{protocol}");
                assert_eq!(target.rejected(), 1, "{protocol} {refusal:?}");
            }
            assert_eq!(totals(&receiver.accepted()).len(), 99, "{protocol} {refusal:?}");
        }
    }
}

#[tokio::test]
async fn in_an_outage_or_while_the_sender_is_refused_nothing_is_divided_or_lost() {
    for protocol in ALL {
        for refusal in [(13, 500), (14, 503), (16, 401), (7, 403), (5, 404), (12, 405), (8, 407)] {
            let receiver = Receiver::start([]).await;
            refuse(&receiver, protocol, refusal, |_| true);
            let mut target = target(protocol, &receiver);
            for second in 1..=30 {
                assert!(target.export(&shards(second, 100)).await.is_err());
                assert!(!target.is_partway());
            }
            let (requests, most) = (receiver.count(), if refusal.1 < 500 { 30 } else { 90 });
            assert!(requests <= most, "{protocol} {refusal:?}: {requests} requests");
            refuse(&receiver, protocol, refusal, |_| false);
            assert_eq!(target.export(&shards(31, 100)).await, Ok(()));
            assert_eq!(receiver.count() - requests, 1);
            assert_eq!((target.rejected_points(), receiver.accepted().len()), (0, 1));
        }
    }
}

#[tokio::test]
async fn a_receiver_to_which_everything_is_too_large_is_asked_little() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        receiver.limit(0);
        let mut target = target(protocol, &receiver);
        for second in 1..=10 {
            let outcome = target.export(&shards(second, 1020)).await;
            assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
        }
        let requests = receiver.count();
        assert!(requests <= 30, "{protocol}: {requests} requests in ten exports");
        receiver.limit(usize::MAX);
        assert_eq!(target.export(&shards(11, 1020)).await, Ok(()));
        assert_eq!(receiver.count() - requests, 1, "{protocol}: it is as before");
    }
}

#[tokio::test]
async fn a_limit_that_is_gone_is_forgotten() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        receiver.limit(1500);
        let mut target = target(protocol, &receiver);
        assert_eq!(target.export(&shards(1, 500)).await, Ok(()));
        assert!(receiver.count() > 10, "{protocol}");
        receiver.limit(usize::MAX);
        for second in 2..=20 {
            assert_eq!(target.export(&shards(second, 500)).await, Ok(()));
        }
        let before = receiver.count();
        assert_eq!(target.export(&shards(21, 500)).await, Ok(()));
        assert_eq!(receiver.count() - before, 1, "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_are_exact_while_some_series_are_never_accepted() {
    const PATIENCE: Duration = Duration::from_secs(60);
    for protocol in ALL {
        for refusal in [(3, 400), (13, 500)] {
            let receiver = Receiver::start([]).await;
            let is_bad = |name: &String| name.contains("catalog.bad_");
            let answer = answer(protocol, refusal);
            receiver
                .answer_if(move |it| totals(std::slice::from_ref(it)).keys().any(is_bad), answer);
            let registry = Registry::new();
            let meter = registry.scoped("plugin", "catalog");
            let counter = |name: String| meter.counter::<u64>(name).build().expect("a good name");
            let good: Vec<_> = (0..20).map(|at| counter(format!("good_{at}"))).collect();
            let bad: Vec<_> = (0..3).map(|at| counter(format!("bad_{at}"))).collect();
            let config = config(protocol, &receiver).with_temporality(TemporalityPreference::Delta);
            let target = OtlpTarget::new(config).expect("a target");
            let never = Schedule { interval: Duration::from_secs(3600), ..Schedule::default() };
            let pipeline = Pipeline::builder(registry).expect("a registry of its own");
            let pipeline = pipeline.target(target, never).start().expect("the pipeline starts");
            for _ in 0..9 {
                good.iter().for_each(|counter| counter.add(1));
                bad.iter().for_each(|counter| counter.add(2));
                let _ = pipeline.flush(PATIENCE).await;
            }
            let totals = totals(&receiver.accepted());
            let ours = totals.iter().filter(|(name, _)| name.contains("catalog.good_"));
            let ours: Vec<i64> = ours.map(|(_, total)| *total).collect();
            assert_eq!(ours, [9; 20], "{protocol} {refusal:?}");
            let _ = pipeline.shutdown(PATIENCE).await;
        }
    }
}

//! When the receiver refuses requests, only series are lost that it never accepts, and none while it accepts nothing.

use meterkit_fakes::remote_write::message::Row;
use meterkit_fakes::remote_write::{Answer, Arrival, Receiver};
use meterkit_grafana::RemoteWriteTarget;
use meterkit_pipeline::{ExportError, Snapshot, Target};

use crate::snapshots::{config, snapshot, target};

/// Returns a counter with `count` series. The value of shard 7 is 7.
fn shards(second: u64, count: u64) -> Snapshot {
    snapshot(second, &(0..count).collect::<Vec<_>>())
}

/// Makes the receiver respond with `status` to requests that have a series for which `is_bad` returns true.
fn refuse(receiver: &Receiver, status: u16, is_bad: impl Fn(u64) -> bool + Send + 'static) {
    let is_such = move |rows: &Vec<Row>| rows.iter().any(|row| is_bad(shard(row)));
    receiver.answer_if(is_such, move || Answer::status(status));
}

fn shard(row: &Row) -> u64 {
    row.label("shard").and_then(|shard| shard.parse().ok()).expect("a shard")
}

/// Returns the accepted values of a second, in order.
fn accepted(receiver: &Receiver, second: u64) -> Vec<u64> {
    let taken = receiver.taken();
    let rows = taken.iter().flat_map(|arrival| &arrival.content);
    let rows = rows.filter(|row| row.time == second as i64 * 1000);
    let mut values: Vec<u64> = rows.map(|row| row.value as u64).collect();
    values.sort_unstable();
    values
}

fn all_but(count: u64, bad: &[u64]) -> Vec<u64> {
    (0..count).filter(|shard| !bad.contains(shard)).collect()
}

#[tokio::test]
async fn a_series_whose_content_is_refused_is_lost_alone() {
    for status in [400, 409, 413, 422] {
        for bad in [&[0][..], &[499], &[3, 200, 201]] {
            let receiver = Receiver::start([]).await;
            refuse(&receiver, status, |shard| bad.contains(&shard));
            let mut target = target(&receiver);
            for second in 1..=2 {
                assert_eq!(target.export(&shards(second, 500)).await, Ok(()), "{status} {bad:?}");
                assert_eq!(accepted(&receiver, second), all_but(500, bad), "{status} {bad:?}");
                assert_eq!(target.rejected(), bad.len() as u64);
            }
            let requests = receiver.count();
            assert!(requests <= 60 * bad.len(), "{status} {bad:?}: {requests} requests");
        }
    }
}

#[tokio::test]
async fn a_series_on_which_the_receiver_fails_is_lost_alone_and_holds_up_nothing() {
    for status in [500, 503] {
        for (count, bad) in [(2, &[1][..]), (100, &[99]), (100, &[3, 50, 51])] {
            let receiver = Receiver::start([]).await;
            refuse(&receiver, status, |shard| bad.contains(&shard));
            let mut target = target(&receiver);
            for second in 1..=16 {
                let _ = target.export(&shards(second, count)).await;
            }
            for second in 1..=16 {
                assert_eq!(accepted(&receiver, second), all_but(count, bad), "{status} {second}");
            }
            let counts = target.counts();
            assert_eq!((counts.refused(), counts.dropped()), (16 * bad.len() as u64, 0));
            assert_eq!(counts.waiting_requests(), 0);
            assert_eq!(
                target.export(&shards(21, count)).await,
                Ok(()),
                "export works again immediately"
            );
            // Without the bad series, requests are no longer divided.
            refuse(&receiver, status, |_| false);
            for second in 22..=23 {
                assert_eq!(target.export(&shards(second, count)).await, Ok(()));
            }
            let before = receiver.count();
            assert_eq!(target.export(&shards(24, count)).await, Ok(()));
            assert_eq!(receiver.count() - before, 1);
        }
    }
}

#[tokio::test]
async fn a_series_in_a_request_of_its_own_is_lost_alone_too() {
    for status in [400, 500] {
        let receiver = Receiver::start([]).await;
        refuse(&receiver, status, |shard| shard == 3);
        let config = config(&receiver).with_request_limits(1, usize::MAX);
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        for second in 1..=10 {
            let _ = target.export(&shards(second, 4)).await;
        }
        for second in 1..=10 {
            assert_eq!(accepted(&receiver, second), [0, 1, 2], "{status}: {second}");
        }
    }
}

#[tokio::test]
async fn what_an_earlier_process_has_left_is_searched_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start([]).await;
    refuse(&receiver, 500, |shard| shard == 77);
    let target = || {
        let config = config(&receiver).with_spool(directory.path());
        RemoteWriteTarget::new(config).expect("a target")
    };
    for process in 0..4 {
        // The process ends before it has found the bad series.
        let mut target = target();
        assert!(target.export(&shards(process * 2 + 1, 100)).await.is_err());
        assert!(target.export(&shards(process * 2 + 2, 100)).await.is_err());
        assert_eq!(target.counts().refused(), 0);
    }
    let mut last = target();
    for second in 9..=14 {
        let _ = last.export(&shards(second, 100)).await;
    }
    for second in 1..=14 {
        assert_eq!(accepted(&receiver, second), all_but(100, &[77]), "{second}");
    }
    assert_eq!((last.counts().refused(), last.counts().waiting_requests()), (14, 0));
}

#[tokio::test]
async fn in_an_outage_nothing_is_divided_or_lost() {
    for status in [500, 502, 503, 504, 599] {
        let receiver = Receiver::start([]).await;
        refuse(&receiver, status, |_| true);
        let mut target = target(&receiver);
        for second in 1..=30 {
            let outcome = target.export(&shards(second, 100)).await;
            assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{outcome:?}");
        }
        assert!(receiver.count() <= 90, "{} requests", receiver.count());
        assert_eq!(target.counts().waiting_requests(), 30);
        refuse(&receiver, status, |_| false);
        assert_eq!(target.export(&shards(31, 100)).await, Ok(()));
        let taken = receiver.taken();
        let expected = (1..=31).map(|second| second * 1000);
        assert!(taken.iter().map(Arrival::time).eq(expected), "each in one request, in order");
        assert_eq!((target.counts().refused(), target.counts().dropped()), (0, 0));
    }
}

#[tokio::test]
async fn while_the_sender_is_refused_nothing_is_divided_or_lost() {
    for status in [401, 403, 404, 405, 407] {
        let receiver = Receiver::start([]).await;
        refuse(&receiver, status, |_| true);
        let mut target = target(&receiver);
        for second in 1..=30 {
            assert!(target.export(&shards(second, 100)).await.is_err());
        }
        assert_eq!(receiver.count(), 30, "{status}");
        refuse(&receiver, status, |_| false);
        assert_eq!(target.export(&shards(31, 100)).await, Ok(()));
        assert_eq!(receiver.taken().len(), 31, "{status}");
    }
}

#[tokio::test]
async fn a_receiver_to_which_everything_is_too_large_is_asked_little() {
    for status in [400, 413] {
        let receiver = Receiver::start([]).await;
        let mut target = target(&receiver);
        assert_eq!(target.export(&shards(1, 1020)).await, Ok(()));
        refuse(&receiver, status, |_| true);
        for second in 2..=11 {
            let outcome = target.export(&shards(second, 1020)).await;
            assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
            let counts = target.counts();
            assert_eq!((counts.refused(), counts.waiting_requests()), ((second - 1) * 1020, 0));
        }
        let requests = receiver.count();
        assert!(requests <= 60, "{status}: {requests} requests in ten exports");
        refuse(&receiver, status, |_| false);
        assert_eq!(target.export(&shards(12, 1020)).await, Ok(()));
        assert_eq!(target.export(&shards(13, 1020)).await, Ok(()));
        assert_eq!(accepted(&receiver, 13).len(), 1020);
        assert!(receiver.count() - requests <= 4, "{status}: it is as before");
    }
}

#[tokio::test]
async fn a_limit_that_is_gone_is_forgotten() {
    let receiver = Receiver::start([]).await;
    receiver.limit(2000);
    let mut target = target(&receiver);
    assert_eq!(target.export(&shards(1, 1000)).await, Ok(()));
    assert!(receiver.count() > 20);
    receiver.limit(usize::MAX);
    for second in 2..=20 {
        assert_eq!(target.export(&shards(second, 1000)).await, Ok(()));
    }
    let before = receiver.count();
    assert_eq!(target.export(&shards(21, 1000)).await, Ok(()));
    assert_eq!(receiver.count() - before, 1);
    assert_eq!(accepted(&receiver, 21).len(), 1000);
}

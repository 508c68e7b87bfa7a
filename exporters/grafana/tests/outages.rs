//! Receivers that are unavailable for a while, or permanently: which values are kept, lost, or sent again.

use std::time::Duration;

use meterkit_core::{Attributes, Registry};
use meterkit_fakes::gate::until;
use meterkit_fakes::remote_write::{Answer, Arrival, Receiver, Speaks};
use meterkit_grafana::{
    Authentication, RemoteWrite, RemoteWriteConfig, RemoteWriteTarget, Secret, Transport,
};
use meterkit_pipeline::{Cause, ExportError, Pipeline, Schedule, Target};
use meterkit_settings::Environment;

use crate::snapshots::{Taken, config, pause, snapshot, target, times};

#[tokio::test]
async fn only_a_request_whose_content_is_refused_is_not_tried_again() {
    for speaks in [Speaks::Two, Speaks::One] {
        for status in [408, 429, 500, 501, 502, 503, 504, 507, 599] {
            let receiver = Receiver::speaking(speaks, []).await;
            let mut target = target(&receiver);
            assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
            receiver.answer_next([Answer::status(status)]);
            let outcome = target.export(&snapshot(2, &[1])).await;
            assert_eq!(pause(&outcome), Some(None), "{status}: {outcome:?}");
            assert_eq!(target.counts().waiting_requests(), 1, "{status}");
            assert_eq!(target.export(&snapshot(3, &[1])).await, Ok(()));
            assert_eq!(times(&receiver.taken()), [1000, 2000, 3000], "{status}");
        }
        for status in [301, 401, 402, 403, 404, 405, 407, 410, 451] {
            let receiver = Receiver::speaking(speaks, []).await;
            let mut target = target(&receiver);
            assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
            receiver.answer_next([Answer::status(status), Answer::status(status)]);
            for second in 2..=3 {
                let outcome = target.export(&snapshot(second, &[1])).await;
                let is_permanent = matches!(outcome, Err(ExportError::Permanent { .. }));
                assert!(is_permanent, "{status}: {outcome:?}");
            }
            let counts = target.counts();
            assert_eq!((counts.refused(), counts.waiting_requests()), (0, 2), "{status}");
            assert_eq!(target.export(&snapshot(4, &[1])).await, Ok(()));
            assert_eq!(times(&receiver.taken()), [1000, 2000, 3000, 4000], "{status}");
        }
        for status in [400, 409, 413, 422] {
            let receiver = Receiver::speaking(speaks, []).await;
            let mut target = target(&receiver);
            assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
            receiver.answer_next([Answer::status(status)]);
            let outcome = target.export(&snapshot(2, &[1])).await;
            let is_permanent = matches!(outcome, Err(ExportError::Permanent { .. }));
            assert!(is_permanent, "{status}: {outcome:?}");
            assert_eq!(target.counts().refused(), 1, "{status}");
            assert_eq!(target.export(&snapshot(3, &[1])).await, Ok(()));
            assert_eq!(times(&receiver.taken()), [1000, 3000], "{status} is not tried again");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_or_breaks_off_may_come_back() {
    let receiver = Receiver::start([Answer::Cut]).await;
    let mut target = target(&receiver);
    assert_eq!(pause(&target.export(&snapshot(1, &[1])).await), Some(None));
    let address = receiver.address();
    receiver.stop().await;
    for second in 2..=4 {
        assert_eq!(pause(&target.export(&snapshot(second, &[1])).await), Some(None));
    }
    assert_eq!(target.counts().waiting_requests(), 4);
    assert!(target.counts().waiting_bytes() > 0);
    let receiver = Receiver::start_at(address).await;
    assert_eq!(target.export(&snapshot(5, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [1000, 2000, 3000, 4000, 5000], "oldest first");
    assert_eq!((target.counts().waiting_requests(), target.counts().waiting_bytes()), (0, 0));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_may_later() {
    let receiver = Receiver::start([Answer::Silence]).await;
    let transport = Transport::default().with_timeout(Duration::from_millis(2000));
    let config = config(&receiver).with_transport(transport);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    let expected = ExportError::retryable("no answer within 2000 ms (METERKIT_GRAFANA_TIMEOUT)");
    let outcome = target.export(&snapshot(1, &[1])).await;
    assert_eq!(outcome, Err(expected.with_cause(Cause::Timeout)));
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [1000]);
}

#[tokio::test]
async fn a_retry_sends_the_same_bytes_and_queues_nothing() {
    let receiver = Receiver::start([Answer::status(503), Answer::status(503)]).await;
    let mut target = target(&receiver);
    let given = snapshot(1, &[5, 6]);
    assert!(target.export(&given).await.is_err());
    assert!(target.export(&given).await.is_err());
    assert_eq!(target.counts().waiting_requests(), 1);
    assert_eq!(target.export(&given).await, Ok(()));
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals.len(), 3);
    assert!(arrivals.iter().all(|arrival| arrival.body == arrivals[0].body));
    assert_eq!(target.export(&given).await, Ok(()), "the snapshot has been delivered");
    assert_eq!(receiver.arrivals().len(), 3);
}

#[tokio::test]
async fn an_export_that_is_cut_off_goes_on_where_it_was() {
    let receiver = Receiver::start([Answer::Accept, Answer::Accept, Answer::Silence]).await;
    let config = config(&receiver).with_request_limits(1, usize::MAX).with_requests_at_once(1);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    let given = snapshot(1, &[1, 2, 3, 4]);
    {
        let mut export = target.export(&given);
        while receiver.arrivals().len() < 3 {
            let wait = tokio::time::sleep(Duration::from_millis(5));
            tokio::select! {
                outcome = &mut export => panic!("{outcome:?}"),
                () = wait => {}
            }
        }
    }
    assert_eq!(target.export(&given).await, Ok(()));
    let values: Vec<f64> = receiver.arrivals().iter().flat_map(Arrival::values).collect();
    assert_eq!(
        values,
        [1.0, 2.0, 3.0, 3.0, 4.0],
        "only the request without a response is sent again"
    );
}

#[tokio::test]
async fn requests_on_their_way_go_on_when_the_next_snapshot_is_due() {
    let receiver = Receiver::start([]).await;
    let mut target = target(&receiver);
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    // The receiver holds back its response to the second request.
    receiver.wait_for_company(2);
    for second in 2..=3 {
        let given = snapshot(second, &[1]);
        let mut export = target.export(&given);
        let wait = tokio::time::sleep(Duration::from_millis(300));
        tokio::select! {
            outcome = &mut export => panic!("{outcome:?}"),
            () = wait => {}
        }
        drop(export);
        assert_eq!(
            target.counts().waiting_requests(),
            second - 1,
            "the snapshot is queued, not sent"
        );
    }
    receiver.wait_for_company(0);
    assert_eq!(target.export(&snapshot(4, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.arrivals()), [1000, 2000, 3000, 4000], "no request is sent twice");
}

#[test]
fn a_snapshot_that_takes_longer_to_write_than_the_interval_goes_out_all_the_same() {
    // The only thread that encodes snapshots is busy.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().expect("a runtime");
    let (finish, busy) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let receiver = Receiver::start([]).await;
        let mut target = target(&receiver);
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
        let slow = tokio::task::spawn_blocking(move || busy.recv());
        for second in 2..=4 {
            let given = snapshot(second, &[1]);
            let mut export = target.export(&given);
            tokio::select! {
                outcome = &mut export => panic!("{outcome:?}"),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        drop(finish);
        assert!(slow.await.expect("it ends").is_err());
        assert_eq!(target.export(&snapshot(5, &[1])).await, Ok(()));
        assert_eq!(
            times(&receiver.taken()),
            [1000, 2000, 5000],
            "an encoding that has begun is finished"
        );
    });
}

#[tokio::test]
async fn what_finds_no_room_while_it_is_on_its_way_counts_once() {
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_queue(1, Duration::MAX);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    receiver.wait_for_company(2);
    let given = snapshot(2, &[1]);
    {
        let mut export = target.export(&given);
        let wait = tokio::time::sleep(Duration::from_millis(300));
        tokio::select! {
            outcome = &mut export => panic!("{outcome:?}"),
            () = wait => {}
        }
    }
    receiver.wait_for_company(0);
    assert_eq!(target.export(&snapshot(3, &[1])).await, Ok(()));
    let counts = target.counts();
    assert_eq!((counts.dropped(), counts.written()), (1, 2));
}

#[test]
fn each_collection_is_queued_while_a_receiver_hangs() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let receiver = runtime.block_on(Receiver::start([]));
    let target = target(&receiver);
    let counts = target.counts();
    let schedule = Schedule { interval: Duration::from_millis(50), ..Schedule::default() };
    let pipeline = Pipeline::builder(Registry::new()).expect("a registry of its own");
    let pipeline = pipeline.target(target, schedule).start().expect("a thread");
    until("it works", || !receiver.taken().is_empty());
    receiver.wait_for_company(99);
    until("snapshots are queued while the receiver hangs", || counts.waiting_requests() > 5);
    assert_eq!(pipeline.health().targets[0].last_error, None, "nothing has failed yet");
    receiver.wait_for_company(0);
    until("the receiver has all snapshots", || receiver.taken().len() > 10);
    pipeline.shutdown_blocking(Duration::from_secs(60)).expect("it works again");
    let mut times = times(&receiver.taken());
    // The last request has the staleness markers, with the time of the shutdown.
    times.pop();
    assert!(times.is_sorted_by(|a, b| a < b), "each once, in order: {times:?}");
    assert_eq!((counts.dropped(), counts.refused()), (0, 0));
}

#[test]
fn a_receiver_that_only_refuses_never_seems_to_work() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for status in [400, 404] {
        let refusals = (0..1000).map(|_| Answer::status(status));
        let receiver = runtime.block_on(Receiver::start(refusals));
        let schedule = Schedule { interval: Duration::from_millis(100), ..Schedule::default() };
        let (target, registry) = (target(&receiver), Registry::new());
        let gauge = registry.scoped("plugin", "catalog").gauge::<u64>("rows").build();
        gauge.expect("a good name").set(1);
        let pipeline = Pipeline::builder(registry).expect("a registry of its own");
        // A snapshot may be reused for an hour, so that each could be exported several times.
        let pipeline = pipeline.snapshot_max_age(Duration::from_secs(3600));
        let pipeline = pipeline.target(target, schedule).start().expect("a thread");
        until("it is refused", || pipeline.health().targets[0].consecutive_failures > 5);
        assert_eq!(pipeline.health().targets[0].last_success, None, "{status}");
        let _ = pipeline.shutdown_blocking(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn the_oldest_go_when_the_queue_is_full_and_are_counted() {
    let receiver = Receiver::start((0..9).map(|_| Answer::status(503))).await;
    let mut sizing = target(&receiver);
    assert!(sizing.export(&snapshot(1, &[1, 2])).await.is_err());
    let size = sizing.counts().waiting_bytes() as usize;

    let config = config(&receiver).with_queue(size * 3 + size / 2, Duration::MAX);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    for second in 1..=8 {
        assert!(target.export(&snapshot(second, &[1, 2])).await.is_err());
    }
    assert_eq!(target.counts().waiting_requests(), 3);
    assert_eq!(target.counts().dropped(), 10, "five requests of two");
    assert_eq!(target.export(&snapshot(9, &[1, 2])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [6000, 7000, 8000, 9000], "no more than necessary");
    assert_eq!((target.counts().written(), target.counts().refused()), (8, 0));
}

#[tokio::test]
async fn a_queue_smaller_than_a_snapshot_loses_nothing_while_the_receiver_takes_it() {
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_queue(1, Duration::MAX).with_request_limits(1, usize::MAX);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    for second in 1..=2 {
        assert_eq!(target.export(&snapshot(second, &[1, 2, 3])).await, Ok(()));
    }
    assert_eq!((target.counts().written(), target.counts().dropped()), (6, 0));

    receiver.answer_next([Answer::status(503)]);
    assert!(target.export(&snapshot(3, &[1, 2, 3])).await.is_err(), "a loss is reported");
    assert_eq!(target.counts().waiting_requests(), 0);
    assert_eq!(target.counts().dropped() + target.counts().written(), 9);
}

#[tokio::test]
async fn requests_that_were_answered_do_not_go_out_again_because_another_was_not() {
    let receiver = Receiver::start([Answer::Accept]).await;
    let config = config(&receiver).with_request_limits(1, usize::MAX).with_requests_at_once(4);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "it is known to speak 2.0");
    receiver.answer_next([Answer::Silence]);
    let given = snapshot(2, &[1, 2, 3, 4]);
    let counts = target.counts();
    {
        let mut export = target.export(&given);
        while counts.written() < 4 {
            let wait = tokio::time::sleep(Duration::from_millis(5));
            tokio::select! {
                outcome = &mut export => panic!("{outcome:?}"),
                () = wait => {}
            }
        }
    }
    assert_eq!(target.export(&given).await, Ok(()));
    assert_eq!(
        receiver.arrivals().len(),
        1 + 4 + 1,
        "only the request without a response is sent again"
    );
}

#[tokio::test]
async fn what_was_refused_before_a_retry_counts_as_rejected() {
    let receiver =
        Receiver::start([Answer::Accept, Answer::status(400), Answer::status(503)]).await;
    let config = config(&receiver).with_request_limits(1, usize::MAX).with_requests_at_once(1);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    let given = snapshot(2, &[1, 2]);
    assert!(target.export(&given).await.is_err());
    assert_eq!(target.export(&given).await, Ok(()));
    assert_eq!(target.rejected(), 1);
    assert_eq!(target.export(&snapshot(3, &[1, 2])).await, Ok(()));
    assert_eq!(target.rejected(), 0);
}

#[tokio::test]
async fn what_is_too_old_is_not_sent() {
    let receiver = Receiver::start((0..4).map(|_| Answer::status(503))).await;
    let config = config(&receiver).with_queue(usize::MAX, Duration::from_secs(10));
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    for second in [1, 2, 11, 12] {
        assert!(target.export(&snapshot(second, &[1])).await.is_err());
    }
    assert_eq!(target.export(&snapshot(13, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [2000, 11000, 12000, 13000]);
    assert_eq!(target.counts().dropped(), 1);
}

#[tokio::test]
async fn a_request_that_is_refused_does_not_hold_up_the_others() {
    let later = || Answer::status(503);
    let refuse = Answer::Http(400, Vec::new(), "out of order");
    let receiver = Receiver::start([Answer::Accept, later(), later(), refuse]).await;
    let mut target = target(&receiver);
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
    for second in 2..=3 {
        assert!(target.export(&snapshot(second, &[1])).await.is_err());
    }
    assert_eq!(target.export(&snapshot(4, &[1])).await, Ok(()));
    assert_eq!(target.rejected(), 1);
    assert_eq!(times(&receiver.taken()), [1000, 3000, 4000]);
}

#[tokio::test]
async fn with_bad_credentials_what_waits_is_kept() {
    let later = || Answer::status(503);
    let refuse = Answer::Http(401, Vec::new(), "token hunter2 has expired");
    let receiver = Receiver::start([later(), later(), refuse]).await;
    let destination = config(&receiver)
        .destination()
        .clone()
        .with_authentication(Authentication::Bearer { token: Secret::new("hunter2") });
    let config = RemoteWriteConfig::new(destination);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    for second in 1..=2 {
        assert!(target.export(&snapshot(second, &[1])).await.is_err());
    }
    let error = target.export(&snapshot(3, &[1])).await.expect_err("refused");
    let text = "HTTP status 401 Unauthorized: token ... has expired; check the credentials in \
                `GRAFANA_REMOTE_WRITE_PASSWORD` or `GRAFANA_REMOTE_WRITE_BEARER_TOKEN`";
    assert_eq!(error, ExportError::permanent(text).with_cause(Cause::Http(401)));
    assert_eq!((target.counts().waiting_requests(), target.counts().refused()), (3, 0));
    assert_eq!(target.export(&snapshot(4, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [1000, 2000, 3000, 4000]);
}

#[tokio::test]
async fn a_request_that_is_too_large_goes_out_in_parts() {
    for speaks in [Speaks::Two, Speaks::One] {
        let receiver = Receiver::speaking(speaks, []).await;
        let mut target = target(&receiver);
        let counts = target.counts();
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
        receiver.limit(3000);
        let values: Vec<u64> = (0..100).collect();
        assert_eq!(target.export(&snapshot(2, &values)).await, Ok(()));
        let written = receiver.taken();
        let mut sent: Vec<u64> =
            written[1..].iter().flat_map(Arrival::values).map(|value| value as u64).collect();
        sent.sort_unstable();
        assert_eq!(sent, values, "{speaks:?}");
        assert_eq!((counts.refused(), counts.waiting_bytes()), (0, 0));

        let before = receiver.arrivals().len();
        assert_eq!(target.export(&snapshot(3, &values)).await, Ok(()));
        let later = &receiver.arrivals()[before..];
        assert!(
            later.iter().all(|arrival| arrival.was_taken),
            "the limit is remembered: {speaks:?}"
        );
    }
}

#[tokio::test]
async fn one_series_that_is_too_large_is_lost_alone() {
    let receiver = Receiver::start([]).await;
    receiver.limit(10);
    let mut target = target(&receiver);
    let outcome = target.export(&snapshot(1, &[1, 2, 3])).await;
    assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
    assert_eq!((target.counts().refused(), target.counts().waiting_requests()), (3, 0));
}

#[tokio::test]
async fn a_series_that_goes_away_is_ended_and_all_are_at_the_end() {
    let receiver = Receiver::start([]).await;
    let mut target = target(&receiver);
    let ends = |arrival: &Arrival| {
        arrival
            .content
            .iter()
            .map(|row| (row.label("shard").map(str::to_owned), row.is_stale()))
            .collect()
    };
    let row = |shard: &str, is_stale| (Some(shard.to_owned()), is_stale);
    let mut taken = Taken::default();
    for (second, values, expected) in [
        (1, &[1, 2, 3][..], vec![row("0", false), row("1", false), row("2", false)]),
        (2, &[1], vec![row("0", false), row("1", true), row("2", true)]),
        (3, &[1], vec![row("0", false)]),
        (4, &[1, 2], vec![row("0", false), row("1", false)]),
    ] {
        assert_eq!(target.export(&taken.numbered(snapshot(second, values))).await, Ok(()));
        let last = receiver.taken().pop().expect("a request");
        let sent: Vec<(Option<String>, bool)> = ends(&last);
        assert_eq!((sent, last.time()), (expected, second as i64 * 1000));
    }
    target.shutdown().await;
    let last = receiver.taken().pop().expect("a request");
    let sent: Vec<(Option<String>, bool)> = ends(&last);
    assert_eq!(sent, [row("0", true), row("1", true)]);
    assert!(last.time() > 4000);
    target.shutdown().await;
    assert_eq!(receiver.arrivals().len(), 5, "once");
}

#[tokio::test]
async fn what_waited_when_a_process_ended_goes_out_with_the_next_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start((0..3).map(|_| Answer::status(503))).await;
    let config = || config(&receiver).with_spool(directory.path());
    {
        let mut target = RemoteWriteTarget::new(config()).expect("a target");
        for second in 1..=3 {
            assert!(target.export(&snapshot(second, &[1, 2])).await.is_err());
        }
        // The process crashes: there is no shutdown.
    }
    let mut next = RemoteWriteTarget::new(config()).expect("a target");
    assert_eq!(next.export(&snapshot(4, &[1, 2])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [1000, 2000, 3000, 4000]);
    assert_eq!(next.counts().written(), 8);
    drop(next);

    let mut last = RemoteWriteTarget::new(config()).expect("a target");
    assert_eq!(last.export(&snapshot(5, &[1, 2])).await, Ok(()));
    assert_eq!(receiver.taken().len(), 5, "delivered requests are no longer on disk");
}

#[tokio::test]
async fn what_waits_goes_out_for_the_user_it_is_of() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start([Answer::status(503)]).await;
    let of = |name: &str| {
        let (username, password) = (name.to_owned(), Secret::new("hunter2"));
        let authentication = Authentication::Basic { username, password };
        let destination = RemoteWrite::new(&receiver.url()).expect("a URL");
        let destination = destination.with_authentication(authentication);
        let config = RemoteWriteConfig::new(destination).with_spool(directory.path());
        RemoteWriteTarget::new(config).expect("a target")
    };
    assert!(of("one").export(&snapshot(1, &[1])).await.is_err());
    assert_eq!(of("two").export(&snapshot(2, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [2000]);
    assert_eq!(of("one").export(&snapshot(3, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [2000, 1000, 3000]);
}

#[tokio::test]
async fn a_spool_is_no_larger_than_the_queue() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start((0..9).map(|_| Answer::status(503))).await;
    let config = config(&receiver).with_spool(directory.path());
    let config = config.with_queue(usize::MAX, Duration::from_secs(2));
    let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
    for second in 1..=9 {
        assert!(target.export(&snapshot(second, &[1])).await.is_err());
    }
    drop(target);
    let mut next = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(next.export(&snapshot(10, &[1])).await, Ok(()));
    assert_eq!(times(&receiver.taken()), [8000, 9000, 10000]);
}

#[test]
fn an_unusable_directory_is_an_error_at_the_start() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let destination = RemoteWrite::new("http://localhost/push").expect("a URL");
    let config = RemoteWriteConfig::new(destination).with_spool(file.path());
    let error = RemoteWriteTarget::new(config).expect_err("it is a file").to_string();
    let start = format!(
        "remote write: the directory `{}` (METERKIT_GRAFANA_SPOOL_DIR)",
        file.path().display()
    );
    assert!(error.starts_with(&start) && error.contains("; name a directory"), "{error}");
}

#[tokio::test]
async fn refusals_at_shutdown_count_but_staleness_markers_do_not() {
    let later = Answer::Http(503, vec![("Retry-After", "3600")], "");
    for (last, farewell, rejected) in [(400, 200, 1), (200, 400, 0)] {
        let receiver = Receiver::start([]).await;
        let mut target = target(&receiver);
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
        receiver.answer_next([later.clone()]);
        assert!(target.export(&snapshot(2, &[1])).await.is_err());
        assert_eq!(target.rejected(), 0);
        receiver.answer_next([last, farewell].map(|status| match status {
            200 => Answer::Accept,
            _ => Answer::status(status),
        }));
        target.shutdown().await;
        assert_eq!((target.rejected(), target.counts().refused()), (rejected, 1), "{last}");
        assert_eq!(target.counts().waiting_requests(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_delivers_after_an_outage_what_it_could_not_before() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let receiver = Receiver::start([]).await;
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests");
    let counter = counter.build().expect("a good name");
    let environment = Environment::of([("GRAFANA_REMOTE_WRITE_URL", receiver.url())]);
    let config = environment.read(RemoteWriteConfig::read);
    let config = config.expect("good variables").expect("a receiver");
    let target = RemoteWriteTarget::new(config).expect("a target");
    let counts = target.counts();
    let never = Schedule { interval: Duration::from_secs(3600), ..Schedule::default() };
    let resource = Attributes::from_pairs([("service.name".into(), "catalog".into())]);
    let builder = Pipeline::builder(registry).expect("a registry of its own").resource(resource);
    let pipeline = builder.target(target, never).start().expect("the pipeline starts");

    counter.add(1);
    pipeline.flush(PATIENCE).await.expect("it is taken");
    // Each attempt of the pipeline sends one request. The pipeline waits between attempts.
    receiver.answer_next([Answer::status(503), Answer::status(503)]);
    counter.add(2);
    pipeline.flush(PATIENCE).await.expect("it is tried until it is taken");
    counter.add(4);
    pipeline.shutdown(PATIENCE).await.expect("it is taken");

    let values: Vec<f64> = receiver
        .taken()
        .iter()
        .flat_map(|arrival| arrival.content.clone())
        .filter(|row| row.name() == "backstage_plugin_catalog_requests_total" && !row.is_stale())
        .map(|row| row.value)
        .collect();
    assert_eq!(values, [1.0, 3.0, 7.0]);
    let last = receiver.taken().pop().expect("the ends");
    assert!(last.content.iter().all(|row| row.is_stale()));
    assert_eq!((counts.refused(), counts.dropped(), counts.waiting_requests()), (0, 0, 0));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn grafana_cloud_gets_otlp_at_the_gateway_of_its_zone() {
    let proxy = Receiver::start([]).await;
    let cloud =
        meterkit_grafana::CloudOtlp::new("prod-eu-west-2", "123456", Secret::new("hunter2"));
    let proxies = meterkit_grafana::Proxies::default();
    let proxies = proxies.with_https(&format!("http://{}", proxy.address())).expect("a proxy");
    let config = meterkit_grafana::GrafanaConfig::cloud(cloud)
        .with_transport(Transport::default().with_proxies(proxies));
    let mut target = config.into_target().expect("a target");
    // The proxy refuses the request, so that nothing leaves this machine.
    assert!(target.export(&snapshot(1, &[1])).await.is_err());
    assert_eq!(proxy.tunnels(), ["otlp-gateway-prod-eu-west-2.grafana.net:443"]);
}

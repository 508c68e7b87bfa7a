//! When the intake refuses a payload, only the points at fault are lost.

use meterkit_datadog::DatadogTarget;
use meterkit_fakes::datadog::{Answer, Intake, Payload, Point};
use meterkit_fakes::log_lines;
use meterkit_pipeline::{ExportError, Snapshot, Target};

use crate::snapshots::{ago, config, counts, counts_and_sizes, target};

/// The maximum number of refusals during the search of an export.
const MAX_REFUSED: usize = 64;

/// Returns a counter with `count` series. The value of `shard:7` is 8.
fn shards(count: u64) -> Snapshot {
    counts(ago(1), &(1..=count).collect::<Vec<_>>())
}

/// Returns the sum of those `shards` for which `is_in` returns true.
fn sum(count: u64, is_in: impl Fn(u64) -> bool) -> f64 {
    (0..count).filter(|shard| is_in(*shard)).map(|shard| shard as f64 + 1.0).sum()
}

fn shard(point: &Point) -> Option<u64> {
    point.tags.iter().find_map(|tag| tag.strip_prefix("shard:")?.parse().ok())
}

/// Starts an intake that considers shards malformed for which `is_bad` returns true.
async fn intake(is_bad: impl Fn(u64) -> bool + Send + 'static) -> Intake {
    let intake = Intake::start([]).await;
    intake.refuse(move |point| shard(point).is_some_and(&is_bad));
    intake
}

fn refused(intake: &Intake) -> usize {
    intake.arrivals().iter().filter(|arrival| !arrival.was_taken).count()
}

#[tokio::test]
async fn malformed_points_are_found_among_thousands_and_the_others_are_stored() {
    for bad in [&[0_u64][..], &[1999], &[1000, 1001, 5], &[]] {
        let is_bad = |shard| bad.contains(&shard);
        let intake = intake(is_bad).await;
        let mut target = target(&intake.url());
        assert_eq!(target.export(&shards(2000)).await, Ok(()), "{bad:?}");
        assert_eq!((target.rejected(), target.is_partway()), (bad.len() as u64, false), "{bad:?}");
        assert_eq!(intake.counted("catalog.requests"), sum(2000, |shard| !is_bad(shard)));
        let taken = intake.arrivals().into_iter().filter(|arrival| arrival.was_taken);
        let points: usize = taken.map(|arrival| arrival.content.points.len()).sum();
        assert_eq!(points, 2000 - bad.len(), "each is stored once");
        // With each division, one of the halves is refused.
        assert!(refused(&intake) <= bad.len() * 12, "{bad:?}: {}", refused(&intake));
        assert_eq!(target.export(&shards(0)).await, Ok(()));
        assert_eq!(target.rejected(), 0, "the count refers to the last export");
    }
}

#[tokio::test]
async fn a_malformed_point_costs_no_distribution() {
    let intake = intake(|shard| shard == 1).await;
    let mut target = target(&intake.url());
    assert_eq!(target.export(&counts_and_sizes(ago(1), &[1, 2, 3], 4)).await, Ok(()));
    assert_eq!(target.rejected(), 1);
    assert_eq!(intake.counted("catalog.requests"), 4.0);
    assert_eq!(intake.counted("catalog.sizes"), 2.0);
}

#[tokio::test]
async fn where_too_many_are_malformed_the_search_ends_and_what_is_not_stored_is_counted() {
    let intake = intake(|shard| shard < 300 && shard % 3 == 0).await;
    let mut target = target(&intake.url());
    assert_eq!(target.export(&shards(600)).await, Ok(()));
    assert!(refused(&intake) <= MAX_REFUSED, "{}", refused(&intake));
    assert!(!target.is_partway());
    let stored = intake.stored().len() as u64;
    assert!(stored >= 300, "this half is fine");
    assert_eq!(stored + target.rejected(), 600);
}

#[tokio::test]
async fn an_intake_that_refuses_everything_is_not_asked_for_each_point_and_nothing_is_given_up() {
    let intake = Intake::start([]).await;
    intake.refuse(|_| true);
    let mut target = target(&intake.url());
    let outcome = target.export(&shards(600)).await;
    assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
    assert_eq!((target.rejected(), target.is_partway()), (0, false));
    assert!(refused(&intake) <= MAX_REFUSED, "{}", refused(&intake));
    intake.refuse(|_| false);
    assert_eq!(target.export(&shards(600)).await, Ok(()));
    assert_eq!(intake.counted("catalog.requests"), sum(600, |_| true));
}

#[tokio::test]
async fn a_search_that_is_interrupted_goes_on_where_it_was() {
    let later = || Answer::Refuse(429, Vec::new(), "");
    // It takes seven requests to find one of eight points.
    for at in 1..7 {
        let intake = intake(|shard| shard == 5).await;
        intake.answer_next((0..at).map(|_| Answer::Accept).chain([later()]));
        let mut target = target(&intake.url());
        let given = shards(8);
        let mut outcome = target.export(&given).await;
        assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{at}: {outcome:?}");
        outcome = target.export(&given).await;
        assert_eq!((outcome, target.rejected()), (Ok(()), 1), "{at}");
        assert_eq!(intake.counted("catalog.requests"), 30.0, "{at}");
        let taken: Vec<_> = intake.arrivals().into_iter().filter(|it| it.was_taken).collect();
        if intake.arrivals()[..at].iter().any(|it| it.was_taken) {
            let points = taken.iter().map(|arrival| arrival.content.points.len());
            assert_eq!(points.sum::<usize>(), 7, "{at}: none is sent twice");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_refused_during_the_search_gives_up_nothing() {
    let intake = intake(|shard| shard == 0).await;
    // The whole payload, then its first half, then the other half.
    let forbidden = Answer::Refuse(403, Vec::new(), "");
    intake.answer_next([Answer::Accept, forbidden]);
    let mut target = target(&intake.url());
    let outcome = target.export(&shards(4)).await;
    assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
    assert_eq!((target.rejected(), target.is_partway()), (0, false));
    assert_eq!(target.export(&shards(4)).await, Ok(()));
    assert_eq!((target.rejected(), intake.counted("catalog.requests")), (1, 9.0));
}

/// Makes the intake respond with `status` to payloads with a shard for which `is_bad` returns true.
fn fail(intake: &Intake, status: u16, is_bad: impl Fn(u64) -> bool + Send + 'static) {
    let is_such = move |payload: &Payload| payload.points.iter().filter_map(shard).any(&is_bad);
    intake.answer_if(is_such, move || Answer::Refuse(status, Vec::new(), ""));
}

#[tokio::test]
async fn a_point_on_which_the_intake_fails_is_lost_alone_once_that_lasts() {
    for (status, patience) in [(500, 2), (503, 9)] {
        let intake = Intake::start([]).await;
        fail(&intake, status, |shard| shard == 5);
        let mut target = target(&intake.url());
        let given = shards(100);
        for _ in 0..patience {
            let outcome = target.export(&given).await;
            assert!(matches!(outcome, Err(ExportError::Retryable { .. })), "{status}: {outcome:?}");
        }
        assert_eq!(refused(&intake), patience, "{status}");
        assert_eq!((target.export(&given).await, target.rejected()), (Ok(()), 1), "{status}");
        assert_eq!(intake.counted("catalog.requests"), sum(100, |shard| shard != 5), "{status}");
        assert!(intake.arrivals().len() < 40, "{status}: {}", intake.arrivals().len());
    }
}

#[tokio::test]
async fn in_an_outage_of_the_intake_nothing_is_divided_or_lost() {
    for status in [500, 502, 503, 504] {
        let intake = Intake::start([]).await;
        fail(&intake, status, |_| true);
        let mut target = target(&intake.url());
        let given = shards(100);
        for _ in 0..20 {
            assert!(target.export(&given).await.is_err(), "{status}");
        }
        let requests = intake.arrivals().len();
        assert!(requests <= 60, "{status}: {requests}");
        fail(&intake, status, |_| false);
        assert_eq!((target.export(&given).await, target.rejected()), (Ok(()), 0), "{status}");
        assert_eq!(intake.arrivals().len() - requests, 1, "{status}: it is not divided");
        assert_eq!(intake.counted("catalog.requests"), sum(100, |_| true), "{status}");
    }
}

#[tokio::test]
async fn an_intake_to_which_everything_is_too_large_is_asked_little() {
    let intake = Intake::start([]).await;
    intake.limit(0);
    let mut target = target(&intake.url());
    for _ in 0..10 {
        let outcome = target.export(&shards(1020)).await;
        assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
    }
    let requests = intake.arrivals().len();
    assert!(requests <= 30, "{requests} requests in ten exports");
    intake.limit(usize::MAX);
    assert_eq!((target.export(&shards(1020)).await, target.rejected()), (Ok(()), 0));
    assert_eq!(intake.arrivals().len() - requests, 1, "requests are no longer divided");
}

#[test]
fn points_that_are_left_out_for_one_reason_are_logged_in_one_line() {
    let ((), lines) = log_lines::of(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let intake = intake(|shard| shard == 2 || shard == 7).await;
            let mut target = DatadogTarget::new(config(&intake.url())).expect("a target");
            for _ in 0..2 {
                assert_eq!(target.export(&shards(20)).await, Ok(()));
                assert_eq!(target.rejected(), 2);
            }
        });
    });
    let loud: Vec<_> = lines.iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let [line] = &*loud else { panic!("{loud:?}") };
    assert!(line.starts_with("ERROR ") && line.contains("points=2"), "{line}");
    assert!(line.contains("HTTP status 400 Bad Request: bad tag"), "{line}");
}

//! The results of exports, depending on the response of the intake or its absence.

use std::time::{Duration, Instant, SystemTime};

use meterkit_core::{Attributes, Data, NumberPoint, Registry, SeriesId, Temporality, Value};
use meterkit_datadog::{DatadogTarget, Transport};
use meterkit_fakes::datadog::{Answer, Intake};
use meterkit_fakes::log_lines;
use meterkit_fakes::raw::RawServer;
use meterkit_pipeline::{ExportError, Pipeline, Schedule, Snapshot, Target};

use crate::snapshots::{ago, config, counts, counts_and_sizes, metric, seconds, target};

fn refusal(status: u16) -> Answer {
    Answer::Refuse(status, Vec::new(), "")
}

/// Returns the result of an export to which the intake responds once, and whether the target is partway through it.
async fn outcome(answer: Answer) -> (Result<(), ExportError>, bool) {
    let intake = Intake::start([answer]).await;
    let mut target = target(&intake.url());
    let outcome = target.export(&counts(ago(1), &[1])).await;
    assert!(
        intake.arrivals().len() <= 1,
        "the target makes one attempt; retries are up to the pipeline"
    );
    (outcome, target.is_partway())
}

fn pause(outcome: &Result<(), ExportError>) -> Option<Option<Duration>> {
    match outcome {
        Err(ExportError::Retryable { retry_after, .. }) => Some(*retry_after),
        _ => None,
    }
}

fn impatient() -> Transport {
    Transport::default().with_timeout(Duration::from_millis(500))
}

#[tokio::test]
async fn each_status_is_a_success_or_a_temporary_or_permanent_failure() {
    for answer in [Answer::Accept, Answer::TakeAndSay(200), Answer::Garbage] {
        assert_eq!(outcome(answer).await, (Ok(()), false));
    }
    // After some statuses, the intake may have stored the payload.
    for (status, may_have_it) in [(408, true), (429, false), (500, true), (502, true), (503, true)]
    {
        let (outcome, is_partway) = outcome(refusal(status)).await;
        assert_eq!((pause(&outcome), is_partway), (Some(None), may_have_it), "{status}");
    }
    for status in [400, 401, 402, 403, 404, 413, 422] {
        let (outcome, is_partway) = outcome(refusal(status)).await;
        assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{status}: {outcome:?}");
        assert!(!is_partway, "{status}: nobody has it");
    }
}

#[tokio::test]
async fn the_intake_can_ask_for_a_pause() {
    for status in [429, 503] {
        for (headers, seconds) in [
            (vec![("x-ratelimit-reset", "7")], 7),
            (vec![("retry-after", "9")], 9),
            (vec![("x-ratelimit-reset", "7"), ("retry-after", "9")], 7),
        ] {
            let (outcome, _) = outcome(Answer::Refuse(status, headers, "")).await;
            assert_eq!(pause(&outcome), Some(Some(Duration::from_secs(seconds))), "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_is_left_alone_as_it_asks_whatever_the_interval_is_and_who_flushes() {
    for header in ["x-ratelimit-reset", "retry-after"] {
        let (started, answer) = (Instant::now(), Answer::Refuse(429, vec![(header, "2")], ""));
        let intake = Intake::start([answer]).await;
        let registry = Registry::new();
        let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
        counter.expect("a good name").add(7);
        let schedule = Schedule { interval: Duration::from_millis(100), ..Schedule::default() };
        let pipeline = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = pipeline.target(target(&intake.url()), schedule).start();
        let pipeline = pipeline.expect("the pipeline starts");
        while intake.arrivals().len() < 2 {
            let _ = pipeline.flush(Duration::from_secs(1)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
        pipeline.shutdown(Duration::from_secs(60)).await.expect("it works again");
        assert_eq!(intake.counted("backstage.plugin.catalog.requests"), 7.0);
    }
}

#[tokio::test]
async fn an_intake_that_is_not_there_has_nothing() {
    let intake = Intake::start([]).await;
    let mut target = target(&intake.url());
    intake.stop().await;
    let outcome = target.export(&counts(ago(1), &[1])).await;
    assert_eq!((pause(&outcome), target.is_partway()), (Some(None), false), "{outcome:?}");
}

#[tokio::test]
async fn a_response_that_is_not_http_is_a_temporary_failure() {
    let server = RawServer::saying("SSH-2.0-OpenSSH_9.9\r\n").await;
    let outcome = target(&server.url()).export(&counts(ago(1), &[1])).await;
    assert_eq!(pause(&outcome), Some(None), "{outcome:?}");
}

#[tokio::test]
async fn a_payload_whose_answer_got_lost_is_sent_again_as_it_was_and_counts_once() {
    for lost in [
        Answer::TakeAndCut,
        Answer::TakeAndHang,
        Answer::TakeAndSay(504),
        Answer::Cut,
        Answer::CutUnread,
        Answer::Silence,
    ] {
        let intake = Intake::start([Answer::Accept, lost.clone()]).await;
        let config = config(&intake.url()).with_transport(impatient());
        let mut target = DatadogTarget::new(config).expect("a target");
        let earlier = counts(ago(20), &[100]);
        assert_eq!(target.export(&earlier).await, Ok(()));
        let given = counts(ago(10), &[5, 6]);
        let outcome = target.export(&given).await;
        assert_eq!(pause(&outcome), Some(None), "{lost:?}: {outcome:?}");
        assert!(target.is_partway(), "{lost:?}: the intake may have it");
        assert_eq!(target.export(&given).await, Ok(()), "{lost:?}");
        assert!(!target.is_partway());
        let arrivals = intake.arrivals();
        let sent: Vec<_> = arrivals.iter().filter(|it| it.content.points.len() == 2).collect();
        assert!(
            sent.windows(2).all(|pair| pair[0].content.points == pair[1].content.points),
            "{sent:?}"
        );
        assert_eq!(intake.counted("catalog.requests"), 111.0, "{lost:?}");
    }
}

#[tokio::test]
async fn an_export_that_is_cut_off_while_it_waits_for_an_answer_is_sent_again_as_it_was() {
    let intake = Intake::start([Answer::TakeAndHang]).await;
    let mut target = target(&intake.url());
    let given = counts(ago(1), &[5]);
    tokio::select! {
        outcome = target.export(&given) => panic!("{outcome:?}"),
        () = intake.arrived(1) => {}
    }
    assert!(target.is_partway(), "the intake may have it");
    assert_eq!(target.export(&given).await, Ok(()));
    assert_eq!(intake.arrivals()[0].content.points, intake.arrivals()[1].content.points);
    assert_eq!(intake.counted("catalog.requests"), 5.0);
}

#[tokio::test]
async fn what_was_accepted_is_not_sent_again_and_the_rest_is() {
    for failure in [refusal(429), refusal(403), refusal(503), Answer::Cut, Answer::TakeAndCut] {
        let intake = Intake::start([Answer::Accept, failure.clone()]).await;
        let mut target = target(&intake.url());
        let given = counts_and_sizes(ago(1), &[1, 2], 4);
        assert!(target.export(&given).await.is_err(), "{failure:?}");
        assert!(target.is_partway(), "{failure:?}");
        assert_eq!(target.export(&given).await, Ok(()));
        let paths: Vec<_> = intake.arrivals().into_iter().map(|arrival| arrival.path).collect();
        assert_eq!(paths, ["/api/v2/series", "/api/beta/sketches", "/api/beta/sketches"]);
        assert_eq!(intake.counted("catalog.requests"), 3.0);
        let sizes = intake.totals().into_iter().find(|(key, _)| key.metric == "catalog.sizes");
        assert_eq!(sizes.map(|(_, total)| total), Some((2.0, 4)), "{failure:?}");
    }
}

/// Returns a counter with 500 series, whose payload has several thousand bytes.
fn many() -> Snapshot {
    counts(ago(1), &(1..=500).collect::<Vec<_>>())
}

#[tokio::test]
async fn what_is_too_large_is_divided_until_it_is_taken() {
    let intake = Intake::start([]).await;
    intake.limit(1500);
    let mut target = target(&intake.url());
    assert_eq!(target.export(&many()).await, Ok(()));
    assert_eq!(target.rejected(), 0);
    assert_eq!(intake.counted("catalog.requests"), 125_250.0);
    let arrivals = intake.arrivals();
    assert!(arrivals[0].body.len() > 1500 && !arrivals[0].was_taken);
    assert!(arrivals.iter().all(|it| it.was_taken == (it.body.len() <= 1500)));
    let taken: usize =
        arrivals.iter().filter(|it| it.was_taken).map(|it| it.content.points.len()).sum();
    assert_eq!(taken, 500);
}

#[tokio::test]
async fn an_intake_to_which_everything_is_too_large_is_not_asked_for_each_point() {
    let intake = Intake::start([]).await;
    intake.limit(0);
    let mut target = target(&intake.url());
    let error = target.export(&many()).await.expect_err("all is too large");
    assert!(matches!(error, ExportError::Permanent { .. }), "{error}");
    assert!(!target.is_partway(), "nothing was taken");
    assert!(intake.arrivals().len() < 20, "{} requests", intake.arrivals().len());
}

#[tokio::test]
async fn a_single_point_that_is_too_large_is_left_out_and_counted() {
    let intake = Intake::start([]).await;
    intake.limit(1100);
    // Random text, which cannot be compressed.
    let labels = (0..80_u64).map(|key| {
        let value = (key + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (format!("k{key}").into(), format!("{value:x}{:x}", value.rotate_left(17)).into())
    });
    let mut snapshot = counts(ago(1), &[1, 2, 3]);
    let start = snapshot.time - Duration::from_secs(10);
    let attributes = Attributes::from_pairs(labels);
    let points =
        vec![NumberPoint { series: SeriesId::new(), attributes, start, value: Value::U64(1) }];
    let data =
        Data::Sum { monotonic: true, temporality: Temporality::Delta, points: points.into() };
    snapshot.scopes[0].metrics.push(metric("catalog.long", "", data));
    let mut target = target(&intake.url());
    assert_eq!(target.export(&snapshot).await, Ok(()));
    assert_eq!((target.rejected(), target.is_partway()), (1, false));
    assert_eq!(intake.counted("catalog.requests"), 6.0);
}

#[tokio::test]
async fn a_payload_that_is_malformed_is_left_out_when_others_were_taken() {
    for answers in [[refusal(400), Answer::Accept], [Answer::Accept, refusal(400)]] {
        let intake = Intake::start(answers).await;
        let mut target = target(&intake.url());
        assert_eq!(target.export(&counts_and_sizes(ago(1), &[1], 4)).await, Ok(()));
        assert_eq!(target.rejected(), 1);
        assert_eq!((intake.arrivals().len(), target.is_partway()), (2, false));
        assert_eq!(target.export(&counts(ago(1), &[1])).await, Ok(()));
        assert_eq!(target.rejected(), 0, "the count refers to the last export");
    }
}

#[tokio::test]
async fn when_all_payloads_are_malformed_none_is_given_up() {
    let intake = Intake::start([]).await;
    intake.refuse(|_| true);
    let mut target = target(&intake.url());
    for given in [counts_and_sizes(ago(1), &[1, 2], 4), many()] {
        let outcome = target.export(&given).await;
        assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
        assert_eq!((target.rejected(), target.is_partway()), (0, false));
    }
}

#[tokio::test]
async fn a_payload_that_is_malformed_was_not_taken_before_either() {
    for doubt in [refusal(503), Answer::Cut] {
        let intake = Intake::start([doubt, refusal(400)]).await;
        let mut target = target(&intake.url());
        let given = counts(ago(1), &[7]);
        assert!(target.export(&given).await.is_err());
        assert!(target.is_partway(), "it may have arrived");
        let outcome = target.export(&given).await;
        assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{outcome:?}");
        assert!(!target.is_partway(), "the next delta includes the points");
        assert_eq!(target.export(&counts(ago(0), &[8])).await, Ok(()));
        assert_eq!(intake.counted("catalog.requests"), 8.0);
    }
}

#[tokio::test]
async fn a_key_that_is_refused_later_on_loses_nothing_of_what_is_partway() {
    let answers = [Answer::Accept, refusal(403), refusal(403), Answer::Accept];
    let intake = Intake::start(answers).await;
    let mut target = target(&intake.url());
    let given = counts_and_sizes(ago(1), &[1], 4);
    for _ in 0..2 {
        let error = target.export(&given).await.expect_err("the key is refused").to_string();
        assert!(error.contains("DD_API_KEY") && error.contains("DD_SITE"), "{error}");
        assert!(target.is_partway());
    }
    assert_eq!((target.export(&given).await, target.rejected()), (Ok(()), 0));
}

#[tokio::test]
async fn a_rest_that_has_become_old_gets_a_later_time() {
    loop {
        let intake = Intake::start([Answer::Accept, refusal(429)]).await;
        let mut target = target(&intake.url());
        // The timestamp is not stale now, but will be in a moment.
        let given = counts_and_sizes(ago(15 * 60 - 1), &[1], 4);
        assert!(target.export(&given).await.is_err());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(target.export(&given).await, Ok(()));
        let arrivals = intake.arrivals();
        let of = |at: usize| arrivals[at].timestamps();
        if of(1) == [seconds(given.time)] {
            assert_eq!(of(0), of(1));
            let age = seconds(SystemTime::now()) - of(2)[0];
            assert!((0..60).contains(&age), "{age} s");
            return;
        }
        // The machine was so slow that the timestamp was already stale.
    }
}

#[tokio::test]
async fn what_is_old_when_it_is_first_sent_gets_the_time_of_now() {
    let intake = Intake::start([]).await;
    let mut target = target(&intake.url());
    for age in [3 * 3600, 20 * 60] {
        assert_eq!(target.export(&counts(ago(age), &[1])).await, Ok(()));
    }
    assert_eq!(intake.counted("catalog.requests"), 2.0);
}

#[tokio::test]
async fn exports_of_one_second_do_not_replace_each_other() {
    let intake = Intake::start([]).await;
    let mut target = target(&intake.url());
    let time = ago(1);
    for at in 0..20 {
        let given = counts(time + Duration::from_millis(at), &[1, 2]);
        assert_eq!(target.export(&given).await, Ok(()));
    }
    assert_eq!(intake.counted("catalog.requests"), 60.0);
}

/// Exports to an intake that refuses everything. Returns the result of each export, and the log lines.
fn logged(exports: usize) -> (Vec<Result<(), ExportError>>, Vec<String>) {
    let (outcomes, lines) = log_lines::of(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let intake = Intake::start([]).await;
            intake.refuse(|_| true);
            let mut target = target(&intake.url());
            let mut outcomes = Vec::new();
            for at in 0..exports {
                let given = counts_and_sizes(ago(100 - at as u64), &[1, 2], 4);
                outcomes.push(target.export(&given).await);
            }
            outcomes
        })
    });
    let loud = lines.into_iter().filter(|line| !line.starts_with("DEBUG")).collect();
    (outcomes, loud)
}

#[test]
fn the_pipeline_reports_exports_that_are_refused_as_a_whole() {
    let (outcomes, lines) = logged(2);
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(lines, Vec::<String>::new());
}

#[tokio::test]
async fn only_a_refused_key_is_a_permanent_error_of_the_check() {
    let intake = Intake::start([]).await;
    for answer in [
        Answer::Accept,
        refusal(500),
        refusal(404),
        refusal(429),
        Answer::Cut,
        Answer::Garbage,
        Answer::Silence,
    ] {
        intake.answer_on_key(answer.clone());
        let config = config(&intake.url()).with_transport(impatient());
        let mut target = DatadogTarget::new(config).expect("a target");
        let checked = target.check().await;
        let is_certain = checked.as_ref().is_err_and(|error| !error.is_retryable());
        assert!(!is_certain, "{answer:?}: {checked:?}");
        assert_eq!(
            checked.is_ok(),
            matches!(answer, Answer::Accept | Answer::Garbage),
            "{checked:?}"
        );
    }
    intake.answer_on_key(refusal(403));
    let mut target = target(&intake.url());
    let error = target.check().await.expect_err("the key is refused").to_string();
    assert!(error.contains("DD_API_KEY") && error.contains("DD_SITE"), "{error}");
    intake.stop().await;
    let error = target.check().await.expect_err("nobody is there");
    assert!(error.is_retryable(), "somebody may be: {error}");
}

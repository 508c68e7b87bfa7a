//! The result of an export depends on the response of the receiver, or on its absence.

use std::time::{Duration, Instant, SystemTime};

use meterkit_core::Registry;
use meterkit_fakes::log_lines;
use meterkit_fakes::otlp::{Answer, Receiver};
use meterkit_fakes::raw::RawServer;
use meterkit_otlp::{Compression, OtlpTarget, Protocol, Transport};
use meterkit_pipeline::{Cause, ExportError, Pipeline, Schedule, Target};
use tokio::task::JoinSet;

use crate::snapshots::{ALL, config, config_for, snapshot, target, values};

fn http(status: u16) -> Answer {
    Answer::Http(status, Vec::new(), "")
}

fn grpc(code: i32) -> Answer {
    Answer::Grpc(code, "", Vec::new())
}

/// Returns the result of an export to a receiver with this response.
async fn outcome(protocol: Protocol, answer: Answer) -> Result<(), ExportError> {
    let receiver = Receiver::start([answer]).await;
    let mut target = target(protocol, &receiver);
    let outcome = target.export(&snapshot(1, &[1])).await;
    assert_eq!(receiver.arrivals().len(), 1, "one attempt; the pipeline makes more");
    outcome
}

fn pause(outcome: &Result<(), ExportError>) -> Option<Option<Duration>> {
    match outcome {
        Err(ExportError::Retryable { retry_after, .. }) => Some(*retry_after),
        _ => None,
    }
}

#[tokio::test]
async fn over_http_only_four_statuses_are_retried() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for status in [429, 502, 503, 504] {
            let outcome = outcome(protocol, http(status)).await;
            assert_eq!(pause(&outcome), Some(None), "{status}: {outcome:?}");
        }
        for status in [400, 401, 403, 404, 415, 500, 501] {
            let outcome = outcome(protocol, http(status)).await;
            assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn over_grpc_only_the_codes_of_the_specification_are_retried() {
    for code in 1..=16 {
        let outcome = outcome(Protocol::Grpc, grpc(code)).await;
        if [1, 4, 10, 11, 14, 15].contains(&code) {
            assert_eq!(pause(&outcome), Some(None), "{code}: {outcome:?}");
        } else {
            assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{code}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_receiver_can_ask_for_a_pause() {
    for status in [429, 503] {
        let answer = Answer::Http(status, vec![("retry-after", "7")], "");
        let outcome = outcome(Protocol::HttpProtobuf, answer).await;
        assert_eq!(pause(&outcome), Some(Some(Duration::from_secs(7))));
    }
    // A `google.rpc.Status` with a `RetryInfo` of 7 seconds: code 8; details { type_url, value { delay { 7 } } }.
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut any = vec![0x0a, url.len() as u8];
    any.extend_from_slice(url);
    any.extend_from_slice(&[0x12, 4, 0x0a, 2, 0x08, 7]);
    let mut details = vec![0x08, 8, 0x1a, any.len() as u8];
    details.extend_from_slice(&any);
    for code in [8, 14] {
        let answer = Answer::Grpc(code, "busy", details.clone());
        let outcome = outcome(Protocol::Grpc, answer).await;
        assert_eq!(pause(&outcome), Some(Some(Duration::from_secs(7))), "{code}: {outcome:?}");
    }
}

/// Returns a `google.rpc.Status` with a `RetryInfo` of two seconds.
fn two_seconds() -> Vec<u8> {
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut any = vec![0x0a, url.len() as u8];
    any.extend_from_slice(url);
    any.extend_from_slice(&[0x12, 4, 0x0a, 2, 0x08, 2]);
    let mut details = vec![0x08, 8, 0x1a, any.len() as u8];
    details.extend_from_slice(&any);
    details
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_not_contacted_before_the_time_it_asks_for() {
    let date = SystemTime::now() + Duration::from_secs(6);
    let in_words: &str = httpdate::fmt_http_date(date).leak();
    for (protocol, answer) in [
        (Protocol::HttpProtobuf, Answer::Http(429, vec![("retry-after", "2")], "")),
        (Protocol::HttpJson, Answer::Http(503, vec![("retry-after", in_words)], "")),
        (Protocol::Grpc, Answer::Grpc(14, "busy", two_seconds())),
        (Protocol::Grpc, Answer::Grpc(8, "busy", two_seconds())),
    ] {
        let (started, receiver) = (Instant::now(), Receiver::start([answer.clone()]).await);
        let schedule = Schedule { interval: Duration::from_millis(100), ..Schedule::default() };
        let pipeline = Pipeline::builder(Registry::new()).expect("a registry of its own");
        let pipeline = pipeline.target(target(protocol, &receiver), schedule).start();
        let pipeline = pipeline.expect("the pipeline starts");
        while receiver.count() < 2 {
            let outcome = pipeline.flush(Duration::from_secs(1)).await;
            assert!(outcome.is_err() || receiver.count() != 1, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Dates have whole seconds.
        let waited = match protocol {
            Protocol::HttpJson => SystemTime::now() >= date - Duration::from_secs(1),
            _ => started.elapsed() >= Duration::from_secs(2),
        };
        assert!(waited, "{answer:?}: {:?}", started.elapsed());
        pipeline.shutdown(Duration::from_secs(60)).await.expect("it works again");
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_may_come_back() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let mut target = target(protocol, &receiver);
        let address = receiver.address();
        receiver.stop().await;
        let outcome = target.export(&snapshot(1, &[1])).await;
        assert_eq!(pause(&outcome), Some(None), "{protocol}: {outcome:?}");
        let receiver = Receiver::start_at(address).await;
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "{protocol}");
        assert_eq!(receiver.accepted().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_may_work_again() {
    for protocol in ALL {
        let outcome = outcome(protocol, Answer::Cut).await;
        assert_eq!(pause(&outcome), Some(None), "{protocol}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_may_later() {
    let mut protocols: JoinSet<()> = ALL.into_iter().map(too_late).collect();
    while let Some(ended) = protocols.join_next().await {
        ended.expect("each protocol does well");
    }
}

async fn too_late(protocol: Protocol) {
    let receiver = Receiver::start([Answer::Silence]).await;
    let transport = Transport::default().with_timeout(Duration::from_millis(2000));
    let config = config(protocol, &receiver).with_transport(transport);
    let mut target = OtlpTarget::new(config).expect("a target");
    let outcome = target.export(&snapshot(1, &[1])).await;
    assert_eq!(pause(&outcome), Some(None), "{protocol}: {outcome:?}");
    let text = outcome.expect_err("no answer").to_string();
    assert!(text.contains("2000 ms (OTEL_EXPORTER_OTLP_METRICS_TIMEOUT)"), "{text}");
    for second in 2..=3 {
        assert_eq!(target.export(&snapshot(second, &[2])).await, Ok(()), "{protocol}");
    }
    let connections = receiver.arrivals().into_iter().map(|arrival| arrival.connection);
    assert!(connections.eq([0, 1, 1]), "a connection that may be dead is left: {protocol}");
}

#[tokio::test]
async fn what_is_no_http_at_all_may_be_some_later() {
    for protocol in ALL {
        let server = RawServer::saying("SSH-2.0-OpenSSH_9.9\r\n").await;
        let mut target = OtlpTarget::new(config_for(protocol, &server.url())).expect("a target");
        let outcome = target.export(&snapshot(1, &[1])).await;
        assert_eq!(pause(&outcome), Some(None), "{protocol}: {outcome:?}");
    }
}

#[tokio::test]
async fn garbage_after_a_success_is_a_success() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        assert_eq!(outcome(protocol, Answer::Garbage).await, Ok(()));
    }
    let outcome = outcome(Protocol::Grpc, Answer::Garbage).await;
    assert!(outcome.is_err(), "gRPC has no success without its status");
}

/// The headers and the body of a reply.
type Unreadable = (&'static [(&'static str, &'static str)], &'static [u8]);

/// Replies that cannot be read: they are truncated, their compression is unknown, they are not a message, or they are
/// too long.
const UNREADABLE: [Unreadable; 5] = [
    (&[], b"\0\0\0"),
    (&[], b"\0\0\0\0\x02\xff\xff"),
    (&[("grpc-encoding", "snappy")], b"\x01\0\0\0\x02\xff\xff"),
    (&[("grpc-encoding", "zstd")], b"\x01\0\0\0\x02\xff\xff"),
    (&[], &[0; 5 * 1024 * 1024]),
];

#[test]
fn an_accepted_request_is_not_resent_if_its_grpc_reply_is_unreadable() {
    let ((), lines) = log_lines::of(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for (headers, body) in UNREADABLE {
                let answer = Answer::AcceptWith(headers.to_vec(), body);
                let receiver = Receiver::start([answer.clone(), answer]).await;
                let mut target = target(Protocol::Grpc, &receiver);
                for second in 1..=2 {
                    assert_eq!(target.export(&snapshot(second, &[1])).await, Ok(()));
                }
                assert_eq!(receiver.count(), 2, "each is sent once");
                assert_eq!(target.losses().oversized_requests(), 0, "the limit is ours");
            }
        });
    });
    let told = lines.iter().filter(|line| line.contains("its reply cannot be read")).count();
    assert_eq!(told, UNREADABLE.len(), "each target logs it once: {lines:?}");
}

#[tokio::test]
async fn a_reply_is_read_in_the_compression_of_its_request() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        if !compression.is_built_in() {
            continue;
        }
        let receiver = Receiver::start([Answer::Partial(2, "no unit")]).await;
        let transport = Transport::default().with_compression(compression);
        let config = config(Protocol::Grpc, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        for second in 1..=2 {
            assert_eq!(target.export(&snapshot(second, &[1, 2, 3])).await, Ok(()), "{compression}");
        }
        assert_eq!(target.rejected_points(), 2, "{compression}");
        let arrivals = receiver.arrivals();
        assert_eq!(arrivals.len(), 2, "{compression}: each is sent once");
        let accepted = arrivals[0].header("grpc-accept-encoding").unwrap_or_default();
        assert!(accepted.contains("gzip"), "{accepted}");
        assert_eq!(accepted.contains("zstd"), Compression::Zstd.is_built_in(), "{accepted}");
    }
}

#[tokio::test]
async fn rejected_points_are_counted_and_not_sent_again() {
    for protocol in ALL {
        let partial = Answer::Partial(2, "no unit");
        let receiver = Receiver::start([partial.clone(), partial, Answer::Accept]).await;
        let mut target = target(protocol, &receiver);
        let losses = target.losses();
        for (second, rejected) in [(1, 2), (2, 2), (3, 0)] {
            assert_eq!(target.export(&snapshot(second, &[1, 2, 3])).await, Ok(()));
            assert_eq!(target.rejected(), rejected);
        }
        assert_eq!((target.rejected_points(), losses.rejected_points()), (4, 4), "{protocol}");
        assert_eq!(receiver.arrivals().len(), 3);
    }
}

#[tokio::test]
async fn a_snapshot_without_points_is_not_sent() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        assert_eq!(target(protocol, &receiver).export(&snapshot(1, &[])).await, Ok(()));
        assert_eq!(receiver.arrivals().len(), 0);
    }
}

#[tokio::test]
async fn errors_quote_the_receiver_without_credentials() {
    let receiver = Receiver::start([Answer::Http(
        401,
        vec![("content-type", "text/plain")],
        "token hunter2 has expired",
    )])
    .await;
    let config = config(Protocol::HttpProtobuf, &receiver)
        .with_header("Authorization", "Bearer hunter2")
        .expect("a header");
    let mut target = OtlpTarget::new(config).expect("a target");
    let error = target.export(&snapshot(1, &[1])).await.expect_err("refused");
    assert_eq!(error.cause(), Cause::Http(401));
    let expected = "HTTP status 401 Unauthorized: token ... has expired; check the credentials in \
                    `OTEL_EXPORTER_OTLP_METRICS_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS`";
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{target:?}").contains("hunter2"), "{target:?}");
}

#[tokio::test]
async fn a_retry_sends_the_same_again() {
    for protocol in ALL {
        let busy = if protocol == Protocol::Grpc { grpc(14) } else { http(503) };
        let receiver = Receiver::start([busy]).await;
        let mut target = target(protocol, &receiver);
        let given = snapshot(1, &[5, 6]);
        assert!(target.export(&given).await.is_err());
        assert!(!target.is_partway());
        assert_eq!(target.export(&given).await, Ok(()));
        let arrivals = receiver.arrivals();
        assert_eq!(arrivals[0].content, arrivals[1].content);
        assert_eq!(values(&arrivals[1].content), [5, 6]);
    }
}

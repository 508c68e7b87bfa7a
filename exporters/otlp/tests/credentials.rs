//! Credentials that are fetched or computed for each request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use meterkit_core::Unpoisoned;
use meterkit_fakes::log_lines;
use meterkit_fakes::otlp::{Answer, Receiver};
use meterkit_fakes::raw::RawServer;
use meterkit_otlp::{
    Compression, Credentials, Headers, HeadersFuture, OtlpConfig, OtlpTarget, Protocol, Proxies,
    Transport,
};
use meterkit_pipeline::{ExportError, Target};

use crate::snapshots::{ALL, config, snapshot, values};

/// Hands out numbered tokens.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    /// The URL and the body of each request that was passed for authentication.
    requests: Vec<(String, Bytes)>,
    rejections: Vec<StatusCode>,
    failures: Vec<&'static str>,
    hangs: bool,
    renews_for: Option<StatusCode>,
}

impl Credentials for Tokens {
    fn headers<'a>(&'a self, request: &'a Request<Bytes>) -> HeadersFuture<'a> {
        Box::pin(async {
            let (number, hangs) = {
                let mut log = self.0.lock().unpoisoned();
                if let Some(failure) = log.failures.pop() {
                    return Err(failure.into());
                }
                log.requests.push((request.uri().to_string(), request.body().clone()));
                (log.requests.len(), log.hangs)
            };
            if hangs {
                std::future::pending::<()>().await;
            }
            let mut headers = Headers::default();
            headers.insert("Authorization", format!("Bearer hunter{number}").as_bytes())?;
            Ok(headers)
        })
    }

    fn rejected(&self, status: StatusCode, _: &HeaderMap) -> bool {
        let mut log = self.0.lock().unpoisoned();
        log.rejections.push(status);
        log.renews_for == Some(status)
    }
}

impl Tokens {
    fn renewed_for(status: StatusCode) -> Self {
        let tokens = Self::default();
        tokens.0.lock().unpoisoned().renews_for = Some(status);
        tokens
    }

    fn rejections(&self) -> Vec<StatusCode> {
        self.0.lock().unpoisoned().rejections.clone()
    }
}

fn target(config: OtlpConfig, tokens: &Tokens) -> OtlpTarget {
    OtlpTarget::new(config.with_credentials(tokens.clone())).expect("a target")
}

/// Returns the tokens of the requests that arrived, in order.
fn arrived(receiver: &Receiver) -> Vec<String> {
    let arrivals = receiver.arrivals();
    let tokens = arrivals.iter().map(|it| it.headers["authorization"].to_str().expect("text"));
    tokens.map(str::to_owned).collect()
}

/// Returns the response of each protocol to rejected credentials.
fn rejection(protocol: Protocol, status: StatusCode, message: &'static str) -> Answer {
    match (protocol, status) {
        (Protocol::Grpc, StatusCode::UNAUTHORIZED) => Answer::Grpc(16, message, Vec::new()),
        (Protocol::Grpc, _) => Answer::Grpc(7, message, Vec::new()),
        _ => Answer::Http(status.as_u16(), vec![("content-type", "text/plain")], message),
    }
}

#[tokio::test]
async fn each_request_has_headers_made_from_its_content() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let tokens = Tokens::default();
        let transport = Transport::default().with_compression(Compression::Gzip);
        let config = config(protocol, &receiver)
            .with_header("Authorization", "the same for all requests")
            .and_then(|config| config.with_header("x-team", "a"))
            .expect("headers")
            .with_transport(transport);
        let mut target = target(config, &tokens);
        for second in [1, 2] {
            assert_eq!(target.export(&snapshot(second, &[1])).await, Ok(()), "{protocol}");
        }
        assert_eq!(arrived(&receiver), ["Bearer hunter1", "Bearer hunter2"], "{protocol}");
        let log = tokens.0.lock().unpoisoned();
        for (arrival, (url, body)) in receiver.arrivals().iter().zip(&log.requests) {
            assert!(url.starts_with(&receiver.url()) && url.ends_with(&arrival.path), "{url}");
            assert_eq!(arrival.body, *body, "{protocol}");
            assert_eq!(arrival.headers["x-team"], "a");
            assert_eq!(arrival.headers.get_all("authorization").iter().count(), 1);
        }
    }
}

#[tokio::test]
async fn a_request_whose_credentials_are_rejected_is_sent_once_more_with_new_ones() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        for protocol in ALL {
            let answers = [rejection(protocol, status, ""), Answer::Accept];
            let receiver = Receiver::start(answers).await;
            let tokens = Tokens::renewed_for(status);
            let mut target = target(config(protocol, &receiver), &tokens);
            assert_eq!(target.export(&snapshot(1, &[7])).await, Ok(()), "{protocol} {status}");
            assert_eq!(arrived(&receiver), ["Bearer hunter1", "Bearer hunter2"]);
            let accepted = receiver.accepted();
            assert_eq!(accepted.iter().map(values).collect::<Vec<_>>(), [[7]]);
            assert_eq!((tokens.rejections(), target.rejected_points()), (vec![status], 0));
        }
    }
}

#[tokio::test]
async fn credentials_that_stay_rejected_fail_the_export_and_lose_nothing() {
    for protocol in ALL {
        let answer = rejection(protocol, StatusCode::UNAUTHORIZED, "");
        let receiver = Receiver::start([answer.clone(), answer]).await;
        let tokens = Tokens::renewed_for(StatusCode::UNAUTHORIZED);
        let mut target = target(config(protocol, &receiver), &tokens);
        let outcome = target.export(&snapshot(1, &[1])).await;
        assert!(matches!(outcome, Err(ExportError::Permanent { .. })), "{protocol}: {outcome:?}");
        assert_eq!(receiver.arrivals().len(), 2, "{protocol}: once more, and then no more");
        assert_eq!(target.export(&snapshot(2, &[2])).await, Ok(()), "{protocol}");
        assert_eq!((arrived(&receiver).len(), target.rejected_points()), (3, 0), "{protocol}");
    }
}

#[tokio::test]
async fn other_refusals_do_not_renew_the_credentials() {
    for protocol in ALL {
        let status = StatusCode::FORBIDDEN;
        for (answer, rejections) in [
            (rejection(protocol, status, ""), vec![status]),
            (Answer::Http(404, Vec::new(), ""), vec![]),
            (Answer::Http(503, Vec::new(), ""), vec![]),
        ] {
            let receiver = Receiver::start([answer]).await;
            let tokens = Tokens::renewed_for(StatusCode::UNAUTHORIZED);
            let mut target = target(config(protocol, &receiver), &tokens);
            target.export(&snapshot(1, &[1])).await.expect_err("a refusal");
            assert_eq!(receiver.arrivals().len(), 1, "{protocol}");
            assert_eq!(tokens.rejections(), rejections, "{protocol}");
        }
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_or_lost() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let tokens = Tokens::default();
        tokens.0.lock().unpoisoned().failures = vec!["the metadata server is\r\ndown"];
        let mut target = target(config(protocol, &receiver), &tokens);
        let error = target.export(&snapshot(1, &[1])).await.expect_err("no credentials");
        assert!(matches!(error, ExportError::Retryable { retry_after: None, .. }), "{error:?}");
        let text = "the credentials for the request are missing: the metadata server is down";
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(receiver.arrivals().len(), 0);
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "{protocol}");
        assert_eq!(receiver.accepted().len(), 1);
    }
}

#[tokio::test]
async fn the_timeout_of_a_request_also_limits_fetching_credentials() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let tokens = Tokens::default();
        tokens.0.lock().unpoisoned().hangs = true;
        let transport = Transport::default().with_timeout(Duration::from_millis(50));
        let mut target = target(config(protocol, &receiver).with_transport(transport), &tokens);
        let error = target.export(&snapshot(1, &[1])).await.expect_err("no credentials");
        let text = "the credentials for the request are missing: no answer within 50 ms";
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(receiver.arrivals().len(), 0, "{protocol}");
    }
}

#[tokio::test]
async fn credentials_that_a_receiver_quotes_are_not_shown() {
    for protocol in ALL {
        let answer = rejection(protocol, StatusCode::UNAUTHORIZED, "`hunter1` has expired");
        let receiver = Receiver::start([answer]).await;
        let tokens = Tokens::default();
        let mut target = target(config(protocol, &receiver), &tokens);
        let error = target.export(&snapshot(1, &[1])).await.expect_err("a refusal").to_string();
        assert!(error.contains("`...` has expired") && !error.contains("hunter"), "{error}");
        let debug = format!("{target:?}");
        assert!(!debug.contains("hunter"), "{debug}");
    }
}

#[test]
fn credentials_in_clear_text_are_warned_of_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (outcome, lines) = log_lines::of(|| {
        runtime.block_on(async {
            let receiver = Receiver::start([]).await;
            let proxy = RawServer::proxy_to(receiver.address()).await;
            let proxies = Proxies::default().with_http(&format!("http://{}", proxy.address()));
            let transport = Transport::default().with_proxies(proxies.expect("a proxy"));
            let url = "http://collector.example/v1/metrics";
            let config = OtlpConfig::new(Protocol::HttpProtobuf, url).expect("a URL");
            let mut target = target(config.with_transport(transport), &Tokens::default());
            for second in [1, 2] {
                target.export(&snapshot(second, &[1])).await?;
            }
            Ok::<_, ExportError>(())
        })
    });
    assert_eq!(outcome, Ok(()));
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("in clear text")).collect();
    assert!(matches!(&*warnings, [line] if line.contains("collector.example")), "{lines:?}");
}

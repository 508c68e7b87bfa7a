//! How each push target reaches its receiver: with secrets that may be rotated, and through proxies from general
//! variables.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Registry};
use meterkit_fakes::raw::RawServer;
use meterkit_fakes::server::{ANY, Server, response};
use meterkit_fakes::{otlp, remote_write};
use meterkit_pipeline::{IntoTarget, Pipeline, Schedule, Snapshot, Target};
use meterkit_settings::{Environment, TargetDeclaration};

/// A target of one crate, its settings besides the secret, and the header that carries the secret in its requests.
struct Case {
    target: &'static TargetDeclaration<Box<dyn IntoTarget>>,
    variables: &'static [(&'static str, &'static str)],
    url: &'static str,
    path: &'static str,
    secret: &'static str,
    /// The content of the file, with `*` in place of the secret.
    content: &'static str,
    header: &'static str,
    value: fn(&str) -> String,
}

const BEARER: fn(&str) -> String = |secret| format!("Bearer {secret}");

/// Encodes `me:first` or `me:second`.
const BASIC: fn(&str) -> String = |secret| {
    let encoded = if secret == "first" { "bWU6Zmlyc3Q=" } else { "bWU6c2Vjb25k" };
    format!("Basic {encoded}")
};

const OTLP: Case = Case {
    target: &meterkit_otlp::TARGET,
    variables: &[],
    url: "OTEL_EXPORTER_OTLP_ENDPOINT",
    path: "",
    secret: "OTEL_EXPORTER_OTLP_HEADERS_FILE",
    content: "authorization=Bearer%20*,x-other=1",
    header: "authorization",
    value: BEARER,
};

const GRAFANA: Case = Case {
    target: &meterkit_grafana::TARGET,
    variables: &[],
    url: "GRAFANA_REMOTE_WRITE_URL",
    path: "/api/v1/push",
    secret: "GRAFANA_REMOTE_WRITE_BEARER_TOKEN_FILE",
    content: "*\n",
    header: "authorization",
    value: BEARER,
};

const DATADOG: Case = Case {
    target: &meterkit_datadog::TARGET,
    variables: &[],
    url: "METERKIT_DATADOG_ENDPOINT",
    path: "",
    secret: "DD_API_KEY_FILE",
    content: "*\n",
    header: "dd-api-key",
    value: str::to_owned,
};

const PUSHGATEWAY: Case = Case {
    target: &meterkit_pushgateway::TARGET,
    variables: &[],
    url: "METERKIT_PUSHGATEWAY_URL",
    path: "",
    secret: "METERKIT_PUSHGATEWAY_BEARER_TOKEN_FILE",
    content: "*\n",
    header: "authorization",
    value: BEARER,
};

const CASES: [Case; 9] = [
    OTLP,
    Case { variables: &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], ..OTLP },
    Case { variables: &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], ..OTLP },
    GRAFANA,
    Case {
        variables: &[("GRAFANA_REMOTE_WRITE_USERNAME", "me")],
        secret: "GRAFANA_REMOTE_WRITE_PASSWORD_FILE",
        value: BASIC,
        ..GRAFANA
    },
    DATADOG,
    Case { variables: &[("METERKIT_DATADOG_MODE", "otlp")], ..DATADOG },
    PUSHGATEWAY,
    Case {
        variables: &[("METERKIT_PUSHGATEWAY_USERNAME", "me")],
        secret: "METERKIT_PUSHGATEWAY_PASSWORD_FILE",
        value: BASIC,
        ..PUSHGATEWAY
    },
];

impl Case {
    /// Returns the target with `further` variables.
    fn target(
        &self,
        base: &str,
        secret: &Path,
        further: &[(&'static str, String)],
    ) -> Box<dyn Target> {
        let fixed = self.variables.iter().map(|(name, value)| (*name, OsString::from(value)));
        let url = (self.url, format!("{base}{}", self.path).into());
        let further = further.iter().map(|(name, value)| (*name, value.into()));
        let all = fixed.chain([url, (self.secret, secret.into())]).chain(further);
        let target = Environment::of(all).read(self.target.read).expect("good variables");
        target.expect("a target").into_target().expect("it can send")
    }

    fn write(&self, path: &Path, secret: &str) {
        fs::write(path, self.content.replace('*', secret)).expect("room for it");
    }

    fn name(&self) -> String {
        format!("{} {:?}", self.secret, self.variables)
    }
}

fn snapshots() -> impl FnMut() -> Snapshot {
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    let counter = counter.expect("a new name");
    move || {
        counter.add(1);
        Snapshot::new(Attributes::empty(), SystemTime::now(), registry.read())
    }
}

/// Starts a receiver that requires `value` in `header`.
async fn receiver_of(header: &'static str, value: String) -> Server {
    Server::http(ANY, None, move |request, _| {
        let shown = request.headers().get(header).and_then(|it| it.to_str().ok());
        let (status, grpc) = if shown == Some(&value) { (200, "0") } else { (403, "7") };
        async move { Ok(response(status, &[("grpc-status", grpc)], "")) }
    })
    .await
}

#[tokio::test]
async fn a_rotated_secret_is_sent_by_each_target_without_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    for (number, case) in CASES.iter().enumerate() {
        let path = directory.path().join(number.to_string());
        case.write(&path, "first");
        let mut next = snapshots();
        let receiver = receiver_of(case.header, (case.value)("second")).await;
        let mut target = case.target(&receiver.url(), &path, &[]);
        let error = target.export(&next()).await.expect_err(&case.name());
        assert!(!format!("{error} {target:?}").contains("first"), "{error} {target:?}");
        case.write(&path, "second");
        assert_eq!(target.export(&next()).await, Ok(()), "{}", case.name());
        assert!(!format!("{target:?}").contains("second"), "{target:?}");
    }
}

#[tokio::test]
async fn nothing_is_lost_while_a_secret_is_being_rotated() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");

    // Cumulative values wait in the queue of remote write.
    GRAFANA.write(&path, "first");
    let receiver =
        remote_write::Receiver::start([401, 401].map(remote_write::Answer::status)).await;
    let base = format!("http://localhost:{}", receiver.address().port());
    let mut target = GRAFANA.target(&base, &path, &[]);
    let mut next = snapshots();
    target.export(&next()).await.expect_err("the token has expired");
    GRAFANA.write(&path, "second");
    assert_eq!(target.export(&next()).await, Ok(()));
    let tokens = |arrivals: Vec<remote_write::Arrival>| -> Vec<String> {
        arrivals.iter().map(|it| it.header("authorization").expect("a token").to_owned()).collect()
    };
    let all = ["first", "first", "second", "second"].map(BEARER);
    assert_eq!(tokens(receiver.arrivals()), all);
    assert_eq!(tokens(receiver.taken()), all[2..], "both snapshots have arrived");

    // Deltas of a pipeline are kept as well.
    for protocol in ["http/protobuf", "grpc"] {
        OTLP.write(&path, "first");
        let refusal = || match protocol {
            "grpc" => otlp::Answer::Grpc(16, "expired", Vec::new()),
            _ => otlp::Answer::Http(401, Vec::new(), "expired"),
        };
        let receiver = otlp::Receiver::start([refusal(), refusal()]).await;
        let base = format!("http://localhost:{}", receiver.address().port());
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta".to_owned()),
        ];
        let target = OTLP.target(&base, &path, &variables);
        let registry = Registry::new();
        let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
        let counter = counter.expect("a new name");
        let day = Duration::from_secs(24 * 3600);
        let schedule = Schedule { interval: day, timeout: day };
        let builder = Pipeline::builder(registry).expect("a registry");
        let pipeline = builder.target(target, schedule).start().expect("the pipeline starts");
        counter.add(3);
        pipeline.flush(day).await.expect_err("the token has expired");
        OTLP.write(&path, "second");
        counter.add(4);
        pipeline.flush(day).await.expect("it is sent once more");
        counter.add(5);
        pipeline.shutdown(day).await.expect("the rest arrives");
        assert_eq!(receiver.counted("backstage.plugin.catalog.requests"), 12.0, "{protocol}");
    }
}

#[tokio::test]
async fn each_target_compares_its_receivers_clock_with_this_machines() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    for case in &CASES {
        case.write(&path, "first");
        for (ahead, status) in [(3600_i64, 200), (-7200, 503), (0, 200)] {
            let receiver = Server::http(ANY, None, move |_, _| {
                let off = Duration::from_secs(ahead.unsigned_abs());
                let now = SystemTime::now();
                let date = httpdate::fmt_http_date(if ahead < 0 { now - off } else { now + off });
                let headers = [("grpc-status", "0"), ("date", &date)];
                let answer = response(status, &headers, "");
                async move { Ok(answer) }
            })
            .await;
            let mut target = case.target(&receiver.url(), &path, &[]);
            assert_eq!(target.clock_skew(), None);
            let _ = target.export(&snapshots()()).await;
            let skew = target.clock_skew().expect("a reply has come");
            // The duration of the request must not count as skew.
            let closest = ahead - 60 * ahead.signum();
            assert!((ahead.min(closest)..=ahead.max(closest)).contains(&skew), "{ahead}: {skew}");
        }
    }
}

#[tokio::test]
async fn each_target_goes_through_the_proxy_of_everyone_unless_no_proxy_names_its_receiver() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    for case in &CASES {
        case.write(&path, "first");
        let receiver = receiver_of(case.header, (case.value)("first")).await;
        for (variable, excepted, is_used) in [
            ("HTTP_PROXY", "", true),
            ("http_proxy", "other.test", true),
            ("HTTP_PROXY", "receiver.test", false),
            ("http_proxy", ".test", false),
        ] {
            let proxy = RawServer::proxy_to(receiver.address()).await;
            let variables = [
                (variable, format!("http://me:hunter2@{}", proxy.address())),
                (if is_used { "NO_PROXY" } else { "no_proxy" }, excepted.to_owned()),
            ];
            let mut target = case.target("http://receiver.test:4318", &path, &variables);
            let outcome = target.export(&snapshots()()).await;
            let name = case.name();
            assert_eq!(outcome.is_ok(), is_used, "{name}: {outcome:?}");
            assert_eq!(!proxy.heads().is_empty(), is_used, "{name}");
            let shown = format!("{outcome:?} {target:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        // A proxy would look for the receiver on its own machine.
        let nobody = RawServer::saying("").await;
        let variables = [("ALL_PROXY", format!("http://{}", nobody.address()))];
        let mut target = case.target(&receiver.url(), &path, &variables);
        assert_eq!(target.export(&snapshots()()).await, Ok(()), "{}", case.name());
        assert_eq!(nobody.heads(), Vec::<String>::new());
    }
}

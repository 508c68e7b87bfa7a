//! Every method of `examples/deploy` that can run here, with its own files: three replicas of catalog-service, one of
//! which is killed and started again. The final sums equal those of the load generators.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use catalog_service::load;
use integration_tests::alertmanager::Alertmanager;
use integration_tests::process::Process;
use integration_tests::prometheus::Prometheus;
use integration_tests::prometheus_receiver::{PrometheusReceiver, Stored};
use integration_tests::victoria_metrics::{Series, VictoriaMetrics};
use integration_tests::{client, deploy, operations, peer, program};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::notified::start_alertmanager;

/// How long to wait for events that happen every half second.
const PATIENCE: Duration = Duration::from_secs(60);

const OPERATIONS: &str =
    "backstage_plugin_catalog_entities_operations_total{job='catalog-service'}";

/// Makes Prometheus send after half a second instead of five seconds.
const SOON: (&str, &str) = ("max_shards: 10", "max_shards: 10\n      batch_send_deadline: 500ms");

/// Operations of the catalog, by action.
type Counts = BTreeMap<String, u64>;

/// A replica of catalog-service.
struct Replica {
    process: Process,
    url: String,
}

impl Replica {
    /// Starts a replica that sends its metrics to the targets in these variables.
    async fn start(variables: &[(&str, &str)]) -> Self {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let variables = [&[("OTEL_SERVICE_NAME", "catalog-service")], variables].concat();
        let program = PROGRAM.get_or_init(|| program::build("catalog-service"));
        let mut process = Process::start(program, &["--port", "0"], &variables);
        let url = process.line("catalog-service listens on ").await;
        Self { process, url }
    }

    /// Starts a replica that is scraped on a port.
    async fn start_scraped(port: u16) -> Self {
        let port = port.to_string();
        Self::start(&[
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", &port),
        ])
        .await
    }
}

/// The number of requests to a replica at first, and after one was killed. The second number is smaller: Prometheus
/// detects a restart because a counter is lower than before, and would miss one that has caught up between two scrapes.
const MANY: u64 = 200;
const FEW: u64 = 50;

/// Sends requests to replicas, and adds their effects to `counted`.
async fn load(replicas: &[Replica], requests: u64, counted: &mut Counts) {
    for replica in replicas {
        let tally = load::run(&replica.url, requests, 4).await.expect("every request is answered");
        for (action, count) in operations::by_action(&tally) {
            *counted.entry(action).or_default() += count;
        }
    }
}

/// Adds up the increases within each series. A counter that falls has restarted.
fn totals(series: impl IntoIterator<Item = (String, Vec<f64>)>) -> Counts {
    let mut totals = Counts::new();
    for (action, values) in series {
        let mut before = 0.0;
        // The staleness marker of a series that has ended is NaN.
        for value in values.into_iter().filter(|it| !it.is_nan()) {
            let increase = if value < before { value } else { value - before };
            *totals.entry(action.clone()).or_default() += increase as u64;
            before = value;
        }
    }
    totals
}

fn totals_of_stored(series: Vec<Stored>) -> Counts {
    let values = |it: &Stored| it.samples.iter().map(|(_, value)| *value).collect();
    totals(series.iter().map(|it| (it.labels["action"].clone(), values(it))))
}

/// Waits until the totals that `ask` returns equal the counted ones.
async fn reach<F: Future<Output = Counts>>(counted: &Counts, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    let mut totals = ask().await;
    while totals != *counted && Instant::now() < deadline {
        sleep(Duration::from_millis(200)).await;
        totals = ask().await;
    }
    assert_eq!(totals, *counted);
}

/// Returns each instance that has one of these series, with its number of series.
fn instances<'a>(
    labels: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
    key: &str,
) -> BTreeSet<String> {
    labels.into_iter().map(|labels| labels[key].clone()).collect()
}

/// Creates a folder for Prometheus: its settings, and all rules, with one second in place of five minutes.
fn prometheus_folder(settings: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("prometheus.yml"), settings)
        .expect("the file can be written");
    for file in deploy::rule_files() {
        let name = file.strip_prefix(deploy::path("prometheus")).expect("a file of Prometheus");
        let target = folder.path().join(name);
        std::fs::create_dir_all(target.parent().expect("a folder"))
            .expect("the folder can be created");
        let text = std::fs::read_to_string(&file).expect("the file exists");
        // Longer than a single scrape, which may fail on a busy machine.
        let text = text.replace("for: '5m'", "for: '1s'").replace("for: 5m", "for: 1s");
        std::fs::write(target, text).expect("the file can be written");
    }
    folder
}

/// Returns a block of a file, from its first line to the last one before `end`.
fn block<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start}"));
    let length = text[from..].find(end).unwrap_or_else(|| panic!("no {end}"));
    &text[from..from + length]
}

/// Starts three replicas that are scraped on these ports.
async fn start_scraped_replicas() -> ([u16; 3], Vec<Replica>) {
    let ports = [(); 3].map(|()| client::free_port());
    let mut replicas = Vec::new();
    for port in ports {
        replicas.push(Replica::start_scraped(port).await);
    }
    (ports, replicas)
}

/// The replacement for a discovery that cannot work here.
fn targets(ports: [u16; 3]) -> String {
    let targets = ports.map(|port| format!("'127.0.0.1:{port}'")).join(", ");
    format!("    static_configs: [{{targets: [{targets}]}}]\n")
}

/// Starts Prometheus with a file of `examples/deploy` for Compose, with other addresses and intervals.
async fn start_prometheus(
    executable: &Path,
    file: &str,
    ports: [u16; 3],
    alertmanager: &Alertmanager,
    changes: &[(&str, &str)],
) -> Prometheus {
    let text = deploy::with(file, &[]);
    let port = client::free_port();
    let own = format!("127.0.0.1:{port}");
    let targets = targets(ports);
    let alertmanager = alertmanager.address();
    let common = [
        ("interval: 15s", "interval: 500ms"),
        (block(&text, "    dns_sd_configs:", "  - job_name"), &*targets),
        ("alertmanager:9093", &*alertmanager),
        ("localhost:9090", &*own),
    ];
    let folder = prometheus_folder(&deploy::with(file, &[&common, changes].concat()));
    // An alert that fires before Prometheus has found Alertmanager is sent with the next evaluation.
    let resend = ["--rules.alert.resend-delay=500ms"];
    let replica = [("PROMETHEUS_REPLICA", "prometheus-1")];
    Prometheus::start_in(executable, folder, port, &resend, &replica).await
}

#[tokio::test(flavor = "multi_thread")]
async fn scraped_replicas_add_up_after_one_is_killed_which_somebody_is_paged_about() {
    let (Some(executable), Some(alertmanager)) =
        (peer::find("prometheus"), peer::find("prometheus-alertmanager"))
    else {
        return;
    };
    let (alertmanager, notified) = start_alertmanager(&alertmanager).await;
    let (ports, mut replicas) = start_scraped_replicas().await;
    let prometheus =
        start_prometheus(&executable, "prometheus/scrape.yaml", ports, &alertmanager, &[]).await;
    let ask = async || totals_of_stored(prometheus.series(OPERATIONS).await);

    let mut counted = Counts::new();
    load(&replicas, MANY, &mut counted).await;
    reach(&counted, &ask).await;
    replicas.remove(1).process.kill().await;
    let killed = format!("127.0.0.1:{}", ports[1]);
    load(&replicas, FEW, &mut counted).await;
    notified.arrived("pager", &killed).await;
    replicas.push(Replica::start_scraped(ports[1]).await);
    load(&replicas, FEW, &mut counted).await;
    reach(&counted, &ask).await;

    let stored = prometheus.series(OPERATIONS).await;
    let expected = ports.map(|port| format!("127.0.0.1:{port}"));
    assert_eq!(instances(stored.iter().map(|it| &it.labels), "instance"), expected.clone().into());
    // No page is sent about the living replicas.
    let others = notified.all();
    let is_alive = |it: &String| expected.contains(it) && *it != killed;
    let mut others = others
        .iter()
        .filter(|(to, labels)| to == "pager" && labels.get("instance").is_some_and(is_alive));
    assert_eq!(others.next(), None);
    notified.arrived("heartbeat", "Watchdog").await;
    let broken = prometheus.rules().await.into_iter().filter(|rule| rule.health == "err");
    assert_eq!(broken.map(|rule| (rule.name, rule.error)).collect::<Vec<_>>(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_writes_to_a_store_adds_up_under_the_label_of_its_server() {
    let (Some(executable), Some(alertmanager), Some(store)) = (
        peer::find("prometheus"),
        peer::find("prometheus-alertmanager"),
        peer::find("victoria-metrics"),
    ) else {
        return;
    };
    let store = VictoriaMetrics::start(&store).await;
    let (alertmanager, notified) = start_alertmanager(&alertmanager).await;
    let (ports, mut replicas) = start_scraped_replicas().await;
    let mimir = [("http://mimir:9009/api/v1/push", &*store.remote_write_url()), SOON];
    let file = "prometheus/remote-write.yaml";
    let prometheus = start_prometheus(&executable, file, ports, &alertmanager, &mimir).await;
    let ask = async || totals_of_series(&store.series(&of_server("compose", "prometheus-1")).await);

    let mut counted = Counts::new();
    load(&replicas, MANY, &mut counted).await;
    reach(&counted, &ask).await;
    replicas.remove(1).process.kill().await;
    let killed = format!("127.0.0.1:{}", ports[1]);
    notified.arrived("pager", &killed).await;
    replicas.push(Replica::start_scraped(ports[1]).await);
    load(&replicas, FEW, &mut counted).await;
    reach(&counted, &ask).await;
    // The rules about alerting query metrics that these servers have.
    let rules = deploy::with("prometheus/platform-rules/alerting.rules.yml", &[]);
    let words = rules.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let own = |it: &&str| it.starts_with("prometheus_") || it.starts_with("alertmanager_");
    let names: BTreeSet<_> = words.filter(own).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        assert!(prometheus.has_data(name).await, "no {name}");
    }
    // Another server would send the same alert, which Alertmanager recognizes by its labels.
    for (_, labels) in notified.all() {
        assert_eq!((&*labels["cluster"], labels.get("__replica__")), ("compose", None));
    }
}

/// Selects the operations that a server has sent.
fn of_server(cluster: &str, replica: &str) -> String {
    OPERATIONS.replace('}', &format!(",cluster='{cluster}',__replica__='{replica}'}}"))
}

fn totals_of_series(series: &[Series]) -> Counts {
    totals(series.iter().map(|it| (it.labels["action"].clone(), it.values.clone())))
}

#[tokio::test(flavor = "multi_thread")]
async fn pushing_replicas_add_up_behind_the_gateway_after_one_is_killed() {
    let (Some(collector), Some(store), Some(prometheus)) =
        (peer::find("meterkit-otelcol"), peer::find("victoria-metrics"), peer::find("prometheus"))
    else {
        return;
    };
    let mut store = VictoriaMetrics::start(&store).await;
    let [grpc, http, telemetry, port] = [(); 4].map(|()| client::free_port());
    let settings = deploy::with(
        "collector/gateway.yaml",
        &[
            ("0.0.0.0:4317", &format!("127.0.0.1:{grpc}")),
            ("0.0.0.0:4318", &format!("127.0.0.1:{http}")),
            (
                "http://prometheus:9090/api/v1/otlp",
                store.otlp_url().trim_end_matches("/v1/metrics"),
            ),
            ("host: 0.0.0.0", "host: 127.0.0.1"),
            ("port: 8888", &format!("port: {telemetry}")),
            ("flush_timeout: 5s", "flush_timeout: 200ms"),
            ("initial_interval: 5s", "initial_interval: 200ms"),
            ("max_interval: 30s", "max_interval: 1s"),
            ("max_elapsed_time: 15m", "max_elapsed_time: 2s"),
        ],
    );
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, settings).expect("the file can be written");
    let argument = format!("--config=file:{}", file.display());
    let gateway = Process::start(&collector, &[&argument], &[]);
    let settings = deploy::with(
        "prometheus/gateway.yaml",
        &[
            ("interval: 15s", "interval: 500ms"),
            ("collector:8888", &format!("127.0.0.1:{telemetry}")),
            // No receiver is needed: only the rules are checked here.
            ("alertmanager:9093", &format!("127.0.0.1:{}", client::free_port())),
            ("localhost:9090", &format!("127.0.0.1:{port}")),
        ],
    );
    let watch =
        Prometheus::start_in(&prometheus, prometheus_folder(&settings), port, &[], &[]).await;

    let endpoint = format!("http://127.0.0.1:{http}");
    let start = async || {
        // As in compose.gateway.yaml, except for the interval.
        Replica::start(&[
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ])
        .await
    };
    let mut replicas = vec![start().await, start().await, start().await];
    let name = "{__name__='backstage.plugin.catalog.entities.operations'}";
    let ask = async || totals_of_series(&store.series(name).await);
    let mut counted = Counts::new();
    load(&replicas, MANY, &mut counted).await;
    reach(&counted, &ask).await;
    replicas.remove(1).process.kill().await;
    load(&replicas, FEW, &mut counted).await;
    replicas.push(start().await);
    load(&replicas, FEW, &mut counted).await;
    reach(&counted, &ask).await;

    // The restarted replica has a new generated instance id.
    let stored = store.series(name).await;
    assert_eq!(instances(stored.iter().map(|it| &it.labels), "service.instance.id").len(), 4);
    // Without the store, the gateway finally drops points, and reports it.
    store.stop().await;
    load(&replicas, FEW, &mut counted).await;
    let losing = "ALERTS{alertname='MeterkitGatewayLosing',alertstate='firing'}";
    assert!(watch.has_data(losing).await);
    // The gateway exports the metrics that the rules query.
    let files = deploy::rule_files().into_iter();
    let rules: String =
        files.map(|file| std::fs::read_to_string(file).expect("the file exists")).collect();
    let words = rules.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let names: BTreeSet<_> = words.filter(|it| it.starts_with("otelcol_")).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        assert!(watch.has_data(&format!("{name}{{job='collector'}}")).await, "no {name}");
    }
    for replica in replicas {
        assert!(replica.process.terminate().await.success());
    }
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_write_to_a_store_themselves_add_up_after_one_is_killed() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let store = PrometheusReceiver::start(&executable).await;
    let url = store.remote_write_url();
    let start = async || {
        Replica::start(&[
            ("OTEL_METRICS_EXPORTER", "grafana"),
            ("GRAFANA_REMOTE_WRITE_URL", &url),
            ("METERKIT_GRAFANA_INTERVAL", "500"),
        ])
        .await
    };
    let mut replicas = vec![start().await, start().await, start().await];
    let ask = async || totals_of_stored(store.series(OPERATIONS).await);
    let mut counted = Counts::new();
    load(&replicas, MANY, &mut counted).await;
    reach(&counted, &ask).await;
    replicas.remove(1).process.kill().await;
    load(&replicas, FEW, &mut counted).await;
    replicas.push(start().await);
    load(&replicas, FEW, &mut counted).await;
    reach(&counted, &ask).await;
    let stored = store.series(OPERATIONS).await;
    assert_eq!(instances(stored.iter().map(|it| &it.labels), "instance").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_send_the_same_under_labels_that_tell_them_apart() {
    let (Some(executable), Some(store)) =
        (peer::find("prometheus"), peer::find("victoria-metrics"))
    else {
        return;
    };
    let store = VictoriaMetrics::start(&store).await;
    let (ports, mut replicas) = start_scraped_replicas().await;
    let file = deploy::with("prometheus/agent.yaml", &[]);
    let targets = targets(ports);
    let settings = deploy::with(
        "prometheus/agent.yaml",
        &[
            ("interval: 15s", "interval: 500ms"),
            // Without Kubernetes, the instance is not the name of a pod.
            (block(&file, "    kubernetes_sd_configs:", "  # Each agent"), &targets),
            (block(&file, "  # Each agent", "remote_write:"), ""),
            ("http://mimir:9009/api/v1/push", &store.remote_write_url()),
            SOON,
        ],
    );
    let mut agents = Vec::new();
    for name in ["prometheus-0", "prometheus-1"] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, &settings).expect("the file can be written");
        let arguments = [
            "--agent".to_owned(),
            format!("--config.file={}", file.display()),
            format!("--storage.agent.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", client::free_port()),
            "--log.level=error".to_owned(),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        agents.push((Process::start(&executable, &arguments, &[("POD_NAME", name)]), folder));
    }
    let ask =
        async |replica: &str| totals_of_series(&store.series(&of_server("catalog", replica)).await);

    let mut counted = Counts::new();
    load(&replicas, MANY, &mut counted).await;
    for replica in ["prometheus-0", "prometheus-1"] {
        reach(&counted, || ask(replica)).await;
    }
    // While one agent is down, the other one still scrapes.
    let (agent, _) = agents.remove(0);
    agent.kill().await;
    replicas.remove(1).process.kill().await;
    replicas.push(Replica::start_scraped(ports[1]).await);
    load(&replicas, FEW, &mut counted).await;
    reach(&counted, || ask("prometheus-1")).await;
}

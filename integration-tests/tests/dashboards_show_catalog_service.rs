//! Dashboards and rules that are generated from the catalog of catalog-service, evaluated by a real Prometheus that
//! scrapes the service.

use std::time::{Duration, Instant, SystemTime};

use catalog_service::database::ROWS_TTL;
use catalog_service::load;
use integration_tests::process::Process;
use integration_tests::prometheus::{Job, Prometheus};
use integration_tests::prometheus_receiver::PrometheusReceiver;
use integration_tests::{peer, program};
use meterkit_core::Catalog;
use meterkit_dashboard::{Dashboard, Histograms, Rules};
use serde_json::Value;

use crate::panels::{self, Panel, filled_in};
use crate::troubled::Troubled;

/// Alerts that the service in trouble causes. The others need hours, other servers or the end of a process; the module
/// `alerts` tests all of them.
const CAUSED: [&str; 5] = [
    "MeterkitQueueDropping",
    "MeterkitCardinalityOverflow",
    "MeterkitCallbackOverBudget",
    "MeterkitCallbackFailing",
    "MeterkitValuesDropped",
];

/// An alert whose condition lasts longer than a test can: a target must have accepted nothing for 5 minutes. Its two
/// conditions are checked separately, the second one without that time.
const TOO_SLOW: &str = "MeterkitDeliveryFailing";

/// Returns the expressions of a dashboard, each with its panel.
fn expressions(dashboard: &Dashboard) -> Vec<(String, String)> {
    let panels = panels::of(&dashboard.to_classic_json()).into_iter();
    let queries = panels.flat_map(|Panel { title, queries, .. }| {
        queries.into_iter().map(move |(expression, _)| (title.clone(), expression))
    });
    queries.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_every_rule_has_data_after_a_load() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0"],
        &[("OTEL_METRICS_EXPORTER", "prometheus"), ("OTEL_EXPORTER_PROMETHEUS_PORT", "0")],
    );
    let url = service.line("catalog-service listens on ").await;
    let metrics = service.line("metrics: ").await;
    let target = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    let troubled = Troubled::start().expect("the instruments have valid names");

    let catalog = catalog_service::catalog().expect("the metrics can be created");
    let dashboard = Dashboard::new("Catalog").of(&catalog).with_self_metrics();
    let rules = rules(&catalog);
    let targets = [target, &troubled.address.to_string()];
    let prometheus = Prometheus::start_with_rules(&executable, &targets, &rules.files()).await;

    // Twice, with scrapes in between: a series that has just appeared has no rate yet.
    for _ in 0..2 {
        load::run(&url, 600, 8).await.expect("every request is answered");
        prometheus.scraped_after(SystemTime::now() + Duration::from_secs(1) + ROWS_TTL).await;
    }

    let mut empty = Vec::new();
    let asked = expressions(&dashboard);
    let recorded = expressions(&Dashboard::new("Catalog").of(&catalog).recorded_quantiles());
    assert!(asked.len() > 30 && recorded.len() > 20, "{} and {}", asked.len(), recorded.len());
    for (panel, expression) in asked.iter().chain(&recorded) {
        if !prometheus.has_data(&filled_in(expression, &[])).await {
            empty.push(format!("{panel}: {expression}"));
        }
    }
    assert!(empty.is_empty(), "no data for\n{}", empty.join("\n"));

    let mut flaws = Vec::new();
    for panel in panels::of(&dashboard.to_classic_json()) {
        flaws.extend(panel.flaws(&prometheus).await);
    }
    assert!(flaws.is_empty(), "wrong units or legends:\n{}", flaws.join("\n"));

    // A scrape of the text format has no native histograms, so these queries are valid but return nothing.
    let native = Dashboard::new("Catalog").of(&catalog).histograms(Histograms::Native);
    for (_, expression) in expressions(&native) {
        prometheus.query(&filled_in(&expression, &[])).await;
    }

    let (_, created) =
        asked.iter().find(|(it, _)| it == "Entities operations, per second").unwrap();
    let chosen = [("service", "test"), ("instance", target), ("action", "(create|update)")];
    let created = prometheus.query(&filled_in(created, &chosen)).await;
    let actions: Vec<_> = created.iter().filter_map(|(labels, _)| labels.get("action")).collect();
    assert!(actions.iter().any(|it| *it == "create"), "{actions:?}");
    assert!(actions.iter().all(|it| *it == "create" || *it == "update"), "{actions:?}");

    check_first_row(&prometheus, &asked, target).await;
    check_rules(&prometheus, troubled).await;
    check_variables(&prometheus, &dashboard, target).await;
    assert!(service.terminate().await.success(), "the service ends without an error on SIGTERM");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_of_a_program_without_trouble_has_data_or_says_why_not() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut program = Process::start(
        &program::small("dashboard"),
        &[folder.path().to_str().expect("the path is valid UTF-8")],
        &[("OTEL_EXPORTER_PROMETHEUS_PORT", "0")],
    );
    let metrics = program.line("metrics: ").await;
    let target = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    let read = |file: &str| {
        let text = std::fs::read_to_string(folder.path().join(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let rules = ["meterkit-alerts.rules.yml", "meterkit-recording.rules.yml"];
    let rules = rules.map(|file| (file.to_owned(), read(file)));
    let targets = vec![target.to_owned()];
    let job = Job { name: "test".to_owned(), targets, settings: Vec::new() };
    // Needed by its exponential histogram.
    let native = ["--enable-feature=native-histograms"];
    let prometheus = Prometheus::start_with_jobs(&executable, &[job], &rules, &native).await;

    let panels = panels::of(&read("dashboard.json"));
    let (mut wrong, mut quiet) = (Vec::new(), 0);
    for panel in &panels {
        if panel.explains_no_data() {
            quiet += 1;
        } else if !panel.has_data(&prometheus).await {
            wrong.push(format!("{}: no data, and no word about it", panel.title));
        }
        wrong.extend(panel.flaws(&prometheus).await);
    }
    assert!(panels.len() > 20 && quiet < panels.len() / 2, "{} and {quiet}", panels.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for rule in prometheus.rules().await {
        assert_ne!(rule.health, "err", "{rule:?}");
    }
}

/// Checks that the first row has a line per instance, with plausible values.
async fn check_first_row(prometheus: &Prometheus, asked: &[(String, String)], target: &str) {
    let titles = ["Instances: up", "HTTP server requests: rate", "HTTP server requests: errors"];
    let durations = ["HTTP server requests: duration"; 2];
    let first: Vec<_> = asked.iter().take(5).collect();
    assert!(first.iter().map(|(title, _)| &**title).eq(titles.into_iter().chain(durations)));
    let mut values = Vec::new();
    for (title, expression) in first {
        let lines = prometheus.query(&filled_in(expression, &[("instance", target)])).await;
        let [(labels, value)] = &lines[..] else { panic!("{title}: {lines:?}") };
        let of = ["job", "instance"].map(|key| labels.get(key).map(String::as_str));
        assert_eq!(of, [Some("test"), Some(target)], "{title}");
        values.push(*value);
    }
    let [up, rate, errors, p50, p99] = values[..] else { panic!("{values:?}") };
    assert_eq!(up, 1.0);
    assert!(rate > 0.0 && (0.0..=1.0).contains(&errors), "{rate} {errors}");
    assert!(0.0 < p50 && p50 <= p99 && p99 <= 10.0, "{p50} {p99}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_pushes_is_in_the_first_row_and_not_absent() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let prometheus = PrometheusReceiver::start(&executable).await;
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0"],
        &[
            ("OTEL_METRICS_EXPORTER", "grafana"),
            ("METERKIT_GRAFANA_INTERVAL", "500"),
            ("GRAFANA_REMOTE_WRITE_URL", &prometheus.remote_write_url()),
            ("OTEL_SERVICE_NAME", "catalog"),
        ],
    );
    let url = service.line("catalog-service listens on ").await;
    let catalog = catalog_service::catalog().expect("the metrics can be created");
    let asked = expressions(&Dashboard::new("Catalog").of(&catalog));
    for (title, expression) in asked.iter().take(5) {
        let of_service = filled_in(expression, &[("service", "catalog")]);
        // A rate needs two exports with requests in between.
        let deadline = Instant::now() + Duration::from_secs(60);
        while prometheus.count_now(&of_service).await == 0 {
            assert!(Instant::now() < deadline, "{title} has no data: {of_service}");
            load::run(&url, 20, 4).await.expect("every request is answered");
        }
    }
    for (job, is_absent) in [("catalog", 0), ("another", 1)] {
        let absent = format!("absent(target_info{{job=\"{job}\"}})");
        let rules = Rules::of(&catalog).job(job).target("grafana");
        assert!(rules.alerts().contains(&format!("expr: '({absent})'")), "{}", rules.alerts());
        assert_eq!(prometheus.count_now(&absent).await, is_absent, "{absent}");
    }
    assert!(service.terminate().await.success(), "the service ends without an error on SIGTERM");
}

/// Returns all rules.
fn rules(catalog: &Catalog) -> Rules {
    let rules = Rules::of(catalog).availability(0.999).expect("a share");
    rules.latency(Duration::from_millis(250), 0.99).expect("a share")
}

/// Checks that each rule is evaluated without an error, that recorded series have data, and that the alerts fire.
async fn check_rules(prometheus: &Prometheus, troubled: Troubled) {
    let rules = prometheus.rules().await;
    assert_eq!(
        rules.len(),
        20 + 13 + 11 + 6,
        "4 for each of 5 histograms, 13 for objectives, and the alerts: {rules:#?}"
    );
    let mut quiet = Vec::new();
    for rule in &rules {
        assert_eq!((&*rule.health, &*rule.error), ("ok", ""), "{rule:?}");
        let expressions = match &*rule.name {
            TOO_SLOW => {
                let on = " and on (job, instance, otel_component_name) ";
                let (failing, stale) = rule.expression.split_once(on).expect("two conditions");
                let (stale, _) = stale.split_once(" > 300").expect("a comparison");
                vec![failing.to_owned(), format!("{stale})")]
            }
            name if name.starts_with("Meterkit") && !CAUSED.contains(&name) => continue,
            _ => vec![rule.expression.clone()],
        };
        for expression in expressions {
            if !prometheus.has_data(&expression).await {
                quiet.push(format!("{}: {expression}", rule.name));
            }
        }
    }
    assert!(quiet.is_empty(), "no data for\n{}", quiet.join("\n"));

    let down =
        rules.iter().find(|rule| rule.name == "MeterkitTargetDown").expect("the rule exists");
    let address = troubled.address;
    troubled.stop();
    let down = format!("({}) and on (instance) up{{instance='{address}'}}", down.expression);
    assert!(prometheus.has_data(&down).await, "{down}");
}

/// Checks that the queries of variables return values.
async fn check_variables(prometheus: &Prometheus, dashboard: &Dashboard, target: &str) {
    let json: Value = serde_json::from_str(&dashboard.to_classic_json()).expect("it is JSON");
    let mut found = Vec::new();
    for variable in json["templating"]["list"].as_array().expect("variables") {
        if variable["type"] != "query" {
            continue;
        }
        let query = variable["query"].as_str().expect("text");
        let query = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')'));
        let (series, label) = query.and_then(|it| it.rsplit_once(", ")).expect("label_values");
        let counts = format!("count by ({label}) ({})", filled_in(series, &[]));
        let counted = prometheus.query(&counts).await;
        found.extend(counted.into_iter().filter_map(|(labels, _)| labels.get(label).cloned()));
    }
    assert_eq!(found, ["test".to_owned(), target.to_owned()], "one service, one instance");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    let catalog = catalog_service::catalog().expect("the metrics can be created");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let all = rules(&catalog);
    for (rules, recording, alerts) in [
        (all.clone(), 33, 17),
        (all.clone().job("catalog"), 33, 17),
        (all.clone().job("it's \"one\"").job("or $the other"), 33, 17),
        (all.histograms(Histograms::Native), 33, 17),
        (Rules::of(&Default::default()), 0, 11),
        (Rules::of(&Default::default()).target("otlp"), 0, 7),
    ] {
        for (file, text) in rules.files() {
            let path = directory.path().join(&file);
            std::fs::write(&path, text).expect("the rules are written");
            let checked = std::process::Command::new(&promtool)
                .args(["check", "rules", "--lint=all", "--lint-fatal"])
                .arg(&path)
                .output()
                .expect("promtool runs");
            let said = String::from_utf8_lossy(&checked.stdout).into_owned()
                + &String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{file}: {said}");
            let count = if file.contains("alerts") { alerts } else { recording };
            assert!(said.contains(&format!("{count} rules found")), "{file}: {said}");
        }
    }
}

#[test]
fn dashboards_fit_the_schema_that_grafana_publishes() {
    let Some(checker) = peer::find("grafana-schema") else {
        return;
    };
    let catalog = catalog_service::catalog().expect("the metrics can be created");
    let dashboard = Dashboard::new("Catalog").of(&catalog).with_self_metrics();
    let dashboard = dashboard.link("Runbook", "https://example.com/${service}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (format, text) in [("classic", dashboard.to_classic_json()), ("v2", dashboard.to_v2_json())]
    {
        let check = |text: &str| {
            let path = directory.path().join(format!("{format}.json"));
            std::fs::write(&path, text).expect("the dashboard is written");
            let checked = std::process::Command::new(&checker).arg(path).output();
            let checked = checked.expect("the checker runs");
            (checked.status.success(), String::from_utf8_lossy(&checked.stdout).into_owned())
        };
        let (fits, said) = check(&text);
        assert!(fits, "{format}: {said}");
        // A checker that accepts everything would be useless.
        let (fits, said) = check(&text.replace("\"fieldConfig\"", "\"fieldConfiguration\""));
        assert!(!fits && said.contains("fieldConfiguration"), "{format}: {said}");
    }
}

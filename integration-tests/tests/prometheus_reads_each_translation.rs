//! A real Prometheus that accepts UTF-8 names receives the names of each translation strategy.

use std::net::SocketAddr;
use std::time::Duration;

use integration_tests::prometheus::Prometheus;
use integration_tests::{client, peer};
use meterkit_core::{LabelKey, LabelRef, LabelVisitor, Labels, Registry};
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{PrometheusServer, Translation};

const PATIENCE: Duration = Duration::from_secs(60);

struct Route(&'static str);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("http.route")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}

/// Starts a service that translates names by `translation`.
fn serve(translation: Translation) -> (Pipeline, SocketAddr) {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog").attribute("db.system", "sqlite");
    let requests = meter.counter_group::<Route, u64>("requests").build().expect("a valid name");
    requests.with(Route("/entities")).add(7);
    meter.counter::<u64>("sent").unit("By").build().expect("a valid name").add(9);
    meter.gauge::<f64>("cache.usage").unit("1").build().expect("a valid name").set(0.5);
    let duration = meter.histogram::<f64>("requests.duration").unit("s").buckets([0.1, 1.0]);
    duration.build().expect("valid buckets").record(0.5);
    let server = PrometheusServer::new().host("127.0.0.1").port(0).translation(translation);
    let server = server.bind().expect("a free port");
    let address = server.address();
    let pipeline = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    let pipeline = pipeline.service(|source, stop| server.serve(source, stop));
    (pipeline.start().expect("the pipeline starts"), address)
}

/// Returns selectors without the target, each with the single value that it selects.
fn expected(translation: Translation) -> [(&'static str, f64); 4] {
    match translation {
        Translation::UnderscoreEscapingWithSuffixes => [
            ("backstage_plugin_catalog_requests_total{http_route='/entities'", 7.0),
            ("backstage_plugin_catalog_sent_bytes_total{otel_scope_db_system='sqlite'", 9.0),
            ("backstage_plugin_catalog_cache_usage_ratio{db_system='sqlite'", 0.5),
            ("backstage_plugin_catalog_requests_duration_seconds_bucket{le='1.0'", 1.0),
        ],
        Translation::UnderscoreEscapingWithoutSuffixes => [
            ("backstage_plugin_catalog_requests{http_route='/entities'", 7.0),
            ("backstage_plugin_catalog_sent{otel_scope_db_system='sqlite'", 9.0),
            ("backstage_plugin_catalog_cache_usage{db_system='sqlite'", 0.5),
            ("backstage_plugin_catalog_requests_duration_bucket{le='1.0'", 1.0),
        ],
        Translation::NoUtf8EscapingWithSuffixes => [
            ("{'backstage.plugin.catalog.requests_total','http.route'='/entities'", 7.0),
            ("{'backstage.plugin.catalog.sent_bytes_total','otel_scope_db.system'='sqlite'", 9.0),
            ("{'backstage.plugin.catalog.cache.usage_ratio','db.system'='sqlite'", 0.5),
            ("{'backstage.plugin.catalog.requests.duration_seconds_bucket',le='1.0'", 1.0),
        ],
        Translation::NoTranslation => [
            ("{'backstage.plugin.catalog.requests','http.route'='/entities'", 7.0),
            ("{'backstage.plugin.catalog.sent','otel_scope_db.system'='sqlite'", 9.0),
            ("{'backstage.plugin.catalog.cache.usage','db.system'='sqlite'", 0.5),
            ("{'backstage.plugin.catalog.requests.duration_bucket',le='1.0'", 1.0),
        ],
        other => panic!("{other} is new"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_arrive_as_each_strategy_leaves_them() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let served = Translation::ALL.map(serve);
    let targets: Vec<_> = served.iter().map(|(_, address)| address.to_string()).collect();
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let prometheus = Prometheus::start_with_rules(&executable, &targets, &[]).await;
    for (translation, target) in Translation::ALL.into_iter().zip(&targets) {
        for (selector, value) in expected(translation) {
            let selector = format!("{selector},instance='{target}'}}");
            assert!(prometheus.has_data(&selector).await, "{translation}: {selector}");
            let found = prometheus.query(&selector).await;
            let values: Vec<_> = found.iter().map(|(_, value)| *value).collect();
            assert_eq!(values, [value], "{translation}: {selector}");
        }
        // No metric has arrived under two names. Next to a counter, OpenMetrics has its creation time.
        let names = "__name__=~'.*catalog.sent.*',__name__!~'.*_created'";
        let all = format!("count({{{names},instance='{target}'}})");
        let count: Vec<_> = prometheus.query(&all).await.iter().map(|(_, value)| *value).collect();
        assert_eq!(count, [1.0], "{translation}");
    }
    for (pipeline, _) in served {
        pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_reads_scrapes_that_ask_for_no_escaping_scheme() {
    let Some(promtool) = peer::find("promtool") else {
        return;
    };
    for translation in Translation::ALL {
        let (pipeline, address) = serve(translation);
        let (status, text) = client::get(&format!("http://{address}/metrics")).await.expect("text");
        assert!(status.is_success());
        let scrape = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(scrape.path(), &text).expect("the scrape is written");
        let checked = std::process::Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(std::fs::File::open(scrape.path()).expect("the scrape is read"))
            .output()
            .expect("promtool runs");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        // Exit code 1: not readable. 3: readable, but names violate Prometheus' conventions, such as a missing `_total`
        // or help.
        assert!(matches!(checked.status.code(), Some(0 | 3)), "{translation}: {said}\n{text}");
        pipeline.shutdown(PATIENCE).await.expect("the shutdown succeeds");
    }
}

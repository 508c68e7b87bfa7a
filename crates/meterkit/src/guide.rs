#![doc = include_str!("../guide/links.md")]
#![doc = include_str!("../guide/README.md")]

/// Declares a page of the guide: a module with the text of a file, whose code runs as doctests where all of the features
/// are on.
///
/// `links.md` comes first, because the first definition of a link counts: pages define their links to each other as paths
/// of files, for readers of the repository, and here these become links to modules. rustdoc counts the lines of `links.md`
/// when it names a line of a page.
macro_rules! page {
    ($name:ident, $file:literal $(, $feature:literal)*) => {
        #[cfg(any(doc, all($(feature = $feature),*)))]
        pub mod $name {
            #![doc = include_str!("../guide/links.md")]
            #![doc = include_str!(concat!("../guide/", $file))]

            // So that texts can name what the crate exports.
            #[allow(unused_imports)]
            use crate::*;
        }
    };
}

page!(getting_started, "getting_started.md", "prometheus");
page!(concepts, "concepts.md", "prometheus");
page!(instruments, "instruments.md", "declare", "prometheus");
page!(labels, "labels.md", "prometheus");
page!(observables, "observables.md");
page!(plugins, "plugins.md", "prometheus");
page!(testing, "testing.md", "catalog-json");
page!(
    http,
    "http.md",
    "jemalloc",
    "mimalloc",
    "prometheus",
    "reqwest",
    "sqlx",
    "tokio-metrics",
    "tower"
);
page!(open_telemetry, "open_telemetry.md", "sdk");
page!(neighbors, "neighbors.md", "metrics", "prometheus-client", "prometheus-registry");

pub mod deploying {
    #![doc = include_str!("../guide/links.md")]
    #![doc = include_str!("../guide/deploying/README.md")]

    #[allow(unused_imports)]
    use crate::*;

    page!(prometheus, "deploying/prometheus.md", "prometheus-tls");
    page!(otlp, "deploying/otlp.md", "otlp");
    page!(datadog, "deploying/datadog.md", "datadog");
    page!(grafana, "deploying/grafana.md", "dashboard", "grafana");
    page!(pushgateway, "deploying/pushgateway.md", "pushgateway");
    page!(clouds, "deploying/clouds.md", "cloudwatch", "gcp", "otlp");
    page!(configuration_file, "deploying/configuration_file.md", "config");
}

page!(settings, "settings.md");
page!(operating, "operating.md");
page!(dashboards, "dashboards.md", "dashboard", "grafana");
page!(promises, "promises.md");
page!(delivery, "delivery.md", "otlp", "prometheus");
page!(security, "security.md", "otlp", "prometheus-tls");
page!(performance, "performance.md", "prometheus");
page!(troubleshooting, "troubleshooting.md", "otlp", "prometheus");
page!(architecture, "architecture.md");

#[cfg(any(doc, feature = "prometheus"))]
pub mod migration {
    #![doc = include_str!("../guide/links.md")]
    #![doc = include_str!("../guide/migration/README.md")]

    #[allow(unused_imports)]
    use crate::*;

    page!(metrics, "migration/metrics.md", "metrics", "prometheus");
    page!(opentelemetry, "migration/opentelemetry.md", "prometheus", "sdk");
    page!(prometheus, "migration/prometheus.md", "prometheus");
    page!(prometheus_client, "migration/prometheus-client.md", "prometheus");
    page!(backstage, "migration/backstage.md", "prometheus");
    page!(encore, "migration/encore.md", "declare", "prometheus");
    page!(goframe, "migration/goframe.md", "prometheus");
}

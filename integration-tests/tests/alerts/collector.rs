//! Alerts on a Collector, whose series are written here: their names and labels are those of Collector 0.152.

use meterkit_core::Catalog;
use meterkit_dashboard::Rules;

use crate::alerts::promtool::assert_firing;

/// Returns series of a Collector: the size of its queue, and the points that it has given up.
fn series(size: &str, failed: &str) -> String {
    let labels = "job=\"collector\",instance=\"a\",exporter=\"otlp_http\"";
    [
        (format!("otelcol_exporter_queue_capacity{{{labels},data_type=\"metrics\"}}"), "1000x29"),
        (format!("otelcol_exporter_queue_size{{{labels},data_type=\"metrics\"}}"), size),
        (
            format!("otelcol_exporter_send_failed_metric_points{{{labels},server_port=\"4318\"}}"),
            failed,
        ),
        (
            "otelcol_receiver_refused_metric_points{job=\"collector\",receiver=\"otlp\"}"
                .to_owned(),
            "0x29",
        ),
    ]
    .map(|(series, values)| format!("      - series: '{series}'\n        values: '{values}'\n"))
    .concat()
}

#[test]
fn a_collector_whose_queue_fills_or_that_loses_points_is_reported() {
    let rules = Rules::of(&Catalog::default());
    let full = series("100x9 900x9 100x9", "0x29");
    let firing = [("MeterkitCollectorQueueFilling", 15..=19)];
    assert_firing(&rules.clone().collector(), &full, 30, &firing);
    assert_firing(&rules, &full, 30, &[]);

    let losing = series("100x29", "0x9 0+10x9 90x9");
    let firing = [("MeterkitCollectorLosing", 16..=22)];
    assert_firing(&rules.clone().collector(), &losing, 30, &firing);
    // A single request that failed.
    let once = series("100x29", "0x9 100x19");
    assert_firing(&rules.collector(), &once, 30, &[]);
}

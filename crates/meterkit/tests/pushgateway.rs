//! A job whose variables name a push gateway.

use meterkit::{Meter, Telemetry};
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::pushgateway::Receiver;

#[tokio::test(flavor = "multi_thread")]
async fn variables_make_a_job_push_at_its_end_and_optionally_delete_its_group() {
    let name = "variables_make_a_job_push_at_its_end_and_optionally_delete_its_group";
    for is_deleted in ["", "true"] {
        let receiver = Receiver::start([]).await;
        let url = receiver.url();
        let variables = [
            ("METERKIT_PUSHGATEWAY_URL", &*url),
            ("METERKIT_PUSHGATEWAY_GROUPING", "path=/var/tmp"),
            ("METERKIT_PUSHGATEWAY_DELETE_ON_SHUTDOWN", is_deleted),
            ("METERKIT_PUSHGATEWAY_BEARER_TOKEN", "5ecre7"),
            // Another process may use the default port.
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
            ("OTEL_SERVICE_NAME", "import"),
        ];
        let ran = tokio::task::block_in_place(|| rerun(name, &variables));
        if ran.is_none() {
            let telemetry = Telemetry::from_env().unwrap().install().unwrap();
            let rows = Meter::scoped("plugin", "import").counter::<u64>("rows").build();
            rows.unwrap().add(5);
            telemetry.shutdown().await.unwrap();
            return;
        }
        let arrivals = receiver.arrivals();
        let first = &arrivals[0];
        assert_eq!(first.path, "/metrics/job/import/path@base64/L3Zhci90bXA");
        assert_eq!(first.header("authorization"), Some("Bearer 5ecre7"));
        let line =
            r#"backstage_plugin_import_rows_total{otel_scope_name="backstage.plugin.import"} 5"#;
        assert!(first.content.text.contains(line), "{}", first.content.text);
        assert_eq!(receiver.groups().is_empty(), is_deleted == "true");
    }
}

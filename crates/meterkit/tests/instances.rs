//! Two processes of one service never write to the same series.
#![cfg(all(feature = "grafana", feature = "otlp"))]

use std::collections::BTreeSet;
use std::env;

use meterkit::Telemetry;
use meterkit_fakes::own_process::{rerun, text};
use meterkit_fakes::{otlp, remote_write};

const SERVICE: (&str, &str) = ("OTEL_SERVICE_NAME", "shop");
/// The default port of the scrape endpoint may be taken.
const PORT: (&str, &str) = ("OTEL_EXPORTER_PROMETHEUS_PORT", "0");

/// Records and exports with the settings of the environment.
fn run() {
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    meterkit::Meter::scoped("plugin", "shop").counter::<u64>("orders").build().unwrap().add(5);
    telemetry.flush_blocking().unwrap();
    telemetry.flush_blocking().unwrap();
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn two_processes_write_series_of_their_own_by_remote_write() {
    let name = "two_processes_write_series_of_their_own_by_remote_write";
    if env::var_os("GRAFANA_REMOTE_WRITE_URL").is_some() {
        return run();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(remote_write::Receiver::start([]));
    let url = receiver.url();
    for _ in 0..2 {
        rerun(name, &[SERVICE, PORT, ("GRAFANA_REMOTE_WRITE_URL", &url)]);
    }
    rerun(
        name,
        &[
            SERVICE,
            PORT,
            ("GRAFANA_REMOTE_WRITE_URL", &url),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=web-7"),
        ],
    );
    let mut instances = BTreeSet::new();
    for arrival in receiver.arrivals() {
        let series = arrival.content.iter().filter(|it| it.name().contains("_orders_"));
        for series in series {
            assert_eq!(series.label("job"), Some("shop"));
            instances.insert(series.label("instance").unwrap_or_default().to_owned());
        }
    }
    assert_eq!(
        instances.len(),
        3,
        "one id per process, the same in all its requests: {instances:?}"
    );
    assert!(instances.contains("web-7"), "{instances:?}");
}

#[test]
fn two_processes_are_two_resources_in_otlp_and_the_lack_of_an_instance_is_logged() {
    let name = "two_processes_are_two_resources_in_otlp_and_the_lack_of_an_instance_is_logged";
    if env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        return run();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(otlp::Receiver::start([]));
    let url = receiver.url();
    let start = |more: &[(&'static str, &'static str)]| {
        let mut all = vec![SERVICE, PORT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")];
        all.push(("OTEL_EXPORTER_OTLP_ENDPOINT", &*url));
        all.extend(more);
        text(&rerun(name, &all).unwrap().stderr)
    };
    let warning = "the resource has no `service.instance.id`";
    for _ in 0..2 {
        assert!(!start(&[]).contains(warning));
    }
    let empty = start(&[("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=")]);
    assert!(
        !empty.contains(warning),
        "an empty `service.instance.id` counts as unset, so one is generated"
    );
    let without = start(&[("METERKIT_RESOURCE_DETECTORS", "host")]);
    assert!(without.contains(warning), "{without}");

    let ids = receiver.accepted().into_iter().map(|request| {
        let resource = request.resource_metrics.into_iter().next()?.resource?;
        let id = resource.attributes.into_iter().find(|it| it.key == "service.instance.id")?;
        Some(format!("{:?}", id.value))
    });
    let ids: BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert!(ids.contains(&None), "{ids:?}");
}

//! Processes with the same host and tags do not replace each other's counts.

use std::collections::BTreeSet;

use meterkit_core::Attributes;
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_fakes::datadog::{Arrival, Intake};
use meterkit_pipeline::{Snapshot, Target};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use crate::snapshots::{KEY, ago, config, counts};

/// Returns a snapshot of a process whose resource does not identify it.
fn given() -> Snapshot {
    let resource = [("service.name", "shop"), ("host.name", "web-1")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    Snapshot { resource: Attributes::from_pairs(resource), ..counts(ago(1), &[5]) }
}

/// Sends `snapshot` from two processes with the same settings at the same time.
async fn two_send(config: DatadogConfig, snapshot: &Snapshot) {
    for _ in 0..2 {
        let mut target = DatadogTarget::new(config.clone()).expect("a target");
        assert_eq!(target.export(snapshot).await, Ok(()));
    }
}

fn is_random(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[tokio::test]
async fn counts_of_two_processes_add_up() {
    let intake = Intake::start([]).await;
    two_send(config(&intake.url()), &given()).await;
    assert_eq!(intake.counted("catalog.requests"), 10.0);
    let keys: Vec<_> = intake.totals().into_keys().collect();
    for key in keys {
        let [shard, service, instance] = &*key.tags else { panic!("{key:?}") };
        assert_eq!((&**shard, &**service), ("shard:0", "service:shop"));
        let id = instance.strip_prefix("service.instance.id:").expect("the tag");
        assert!(is_random(id), "{id}");
    }
}

#[tokio::test]
async fn a_process_keeps_its_id_from_export_to_export() {
    let intake = Intake::start([]).await;
    let mut target = DatadogTarget::new(config(&intake.url())).expect("a target");
    for _ in 0..3 {
        assert_eq!(target.export(&given()).await, Ok(()));
    }
    assert_eq!(intake.totals().into_values().collect::<Vec<_>>(), [(15.0, 0)]);
}

#[tokio::test]
async fn who_switches_the_tag_off_has_one_process() {
    let intake = Intake::start([]).await;
    two_send(config(&intake.url()).with_instance_tag(false), &given()).await;
    let keys: Vec<_> = intake.totals().into_keys().map(|key| key.tags).collect();
    assert_eq!(keys, [["shard:0", "service:shop"]]);
    assert_eq!(intake.counted("catalog.requests"), 5.0, "Datadog keeps the last");
}

#[tokio::test]
async fn a_tag_of_the_same_key_wins() {
    let intake = Intake::start([]).await;
    let tags = ["service.instance.id:blue", "team:a"];
    two_send(config(&intake.url()).with_tags(tags), &counts(ago(1), &[5])).await;
    let keys: Vec<_> = intake.totals().into_keys().map(|key| key.tags).collect();
    assert_eq!(keys, [["shard:0", "service:shop", "service.instance.id:blue", "team:a"]]);
}

/// Returns the instance attribute of the only point.
fn instance_of(arrival: &Arrival) -> Option<String> {
    let request = arrival.content.otlp.as_ref().expect("OTLP");
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    let [point] = &*sum.data_points else { panic!("{sum:?}") };
    let mut attributes = point.attributes.iter();
    let own = attributes.find(|pair| pair.key == "service.instance.id")?;
    match own.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => Some(text.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn by_otlp_each_point_has_the_id_as_an_attribute() {
    let intake = Intake::start([]).await;
    let config = DatadogConfig::otlp(KEY).expect("a key");
    let config = config.with_endpoint(&format!("{}/v1/metrics", intake.url())).expect("a URL");
    two_send(config.clone(), &given()).await;
    let ids: BTreeSet<_> = intake.arrivals().iter().filter_map(instance_of).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| is_random(id)), "{ids:?}");

    two_send(config.clone().with_tags(["service.instance.id:blue"]), &given()).await;
    two_send(config.clone(), &counts(ago(1), &[5])).await;
    two_send(config.with_instance_tag(false), &given()).await;
    let ids: Vec<_> = intake.arrivals()[2..].iter().map(instance_of).collect();
    let expected = ["blue", "blue", "7", "7"].map(|id| Some(id.to_owned()));
    assert_eq!(ids, [&expected[..], &[None, None]].concat());
}

#[cfg(unix)]
#[tokio::test]
async fn an_agent_gets_the_tag_with_each_line() {
    use crate::agent_receiver::{ListenAddress, Transport, totals};

    let address = ListenAddress::new(Transport::Datagram);
    let receiver = address.start();
    let url = format!("unix://{}", address.path().display());
    let config = DatadogConfig::agent(url.parse().expect("an address"));
    two_send(config.clone(), &given()).await;
    two_send(config.with_instance_tag(false), &given()).await;
    let totals: Vec<_> = totals(&receiver.stop()).into_iter().collect();
    let [without, one, other] = &*totals else { panic!("{totals:?}") };
    // Both have the same time. The agent forwards both, and Datadog keeps the last one.
    assert_eq!(without.0, "catalog.requests#shard:0,service:shop");
    for (series, total) in [one, other] {
        let id = series.strip_prefix("catalog.requests#shard:0,service:shop,service.instance.id:");
        assert!(id.is_some_and(is_random), "{series}");
        assert_eq!(*total, 5);
    }
}

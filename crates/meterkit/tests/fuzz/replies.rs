//! Answers of receivers.

use std::time::{Duration, SystemTime};

use meterkit_core::{Attributes, Registry};
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_grafana::{
    DashboardPublisher, PublishConfig, RemoteWrite, RemoteWriteConfig, RemoteWriteTarget, Secret,
};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, Transport};
use meterkit_pipeline::{Snapshot, Target};
use tokio::runtime::{Builder, Runtime};

use crate::fuzz::assert_shown;
use crate::fuzz::receiver::Receiver;

/// The credential of every target, which every corpus quotes.
pub(crate) const SECRET: &str = "hunter2secret";

/// Exports to a receiver that answers with the input.
pub(crate) fn to(target: fn(&str) -> Box<dyn Target>) -> impl FnMut(&[u8]) {
    let (receiver, runtime) = (Receiver::start(), runtime());
    move |input| {
        receiver.answer_with(input);
        let mut target = target(&format!("http://{}", receiver.address));
        if let Err(error) = runtime.block_on(target.export(&snapshot())) {
            assert_shown(&error);
        }
    }
}

/// Publishes a dashboard to a Grafana that answers with the input.
pub(crate) fn to_publishing() -> impl FnMut(&[u8]) {
    let (receiver, runtime) = (Receiver::start(), runtime());
    move |input| {
        receiver.answer_with(input);
        let url = format!("http://{}", receiver.address);
        let config = PublishConfig::new(&url, Secret::new(SECRET)).expect("a URL");
        let config = config.with_transport(transport()).with_backoff(Duration::ZERO);
        let publisher = DashboardPublisher::new(config).expect("a publisher");
        let published = publisher.publish(r#"{"uid": "shop", "title": "Shop"}"#);
        if let Err(error) = runtime.block_on(published) {
            assert_shown(&error);
        }
    }
}

pub(crate) fn otlp_http(base: &str) -> Box<dyn Target> {
    otlp(Protocol::HttpProtobuf, base)
}

pub(crate) fn otlp_grpc(base: &str) -> Box<dyn Target> {
    otlp(Protocol::Grpc, base)
}

fn otlp(protocol: Protocol, url: &str) -> Box<dyn Target> {
    let config = OtlpConfig::new(protocol, url).expect("a URL").with_transport(transport());
    let config = config.with_header("x-key", SECRET).expect("a header");
    Box::new(OtlpTarget::new(config).expect("a target"))
}

pub(crate) fn datadog(base: &str) -> Box<dyn Target> {
    let config = DatadogConfig::api(SECRET).expect("a key").with_transport(transport());
    let config = config.with_endpoint(base).expect("a URL");
    Box::new(DatadogTarget::new(config).expect("a target"))
}

pub(crate) fn remote_write(base: &str) -> Box<dyn Target> {
    let destination = RemoteWrite::new(&format!("{base}/push?token={SECRET}")).expect("a URL");
    let config = RemoteWriteConfig::new(destination).with_transport(transport());
    Box::new(RemoteWriteTarget::new(config).expect("a target"))
}

/// Returns a transport with a short timeout, because some answers never end.
pub(crate) fn transport() -> Transport {
    Transport::default().with_timeout(Duration::from_millis(300))
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn snapshot() -> Snapshot {
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    counter.expect("a new name").add(1);
    Snapshot::new(Attributes::empty(), SystemTime::now(), registry.read())
}

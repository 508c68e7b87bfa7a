//! Exemplars in requests.

use std::sync::Arc;
use std::time::Duration;

use meterkit_core::{Exemplar, Exemplars, Value};
use meterkit_fakes::otlp::{Answer, Receiver};
use meterkit_fakes::spans::span_ids;
use meterkit_otlp::Protocol;
use meterkit_pipeline::{Snapshot, Target};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric;

use crate::snapshots::{ALL, snapshot, target};

fn exemplar(number: u64, snapshot: &Snapshot) -> Exemplar {
    let span = Some(span_ids(number));
    Exemplar { time: snapshot.time, value: Value::U64(number), span, filtered: None }
}

/// Returns the trace ids of all exemplars.
fn traces(request: &ExportMetricsServiceRequest) -> Vec<Vec<u8>> {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let mut traces = Vec::new();
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        if let Some(metric::Data::Sum(sum)) = &metric.data {
            let exemplars = sum.data_points.iter().flat_map(|point| &point.exemplars);
            traces.extend(exemplars.map(|exemplar| exemplar.trace_id.clone()));
        }
    }
    traces
}

#[tokio::test]
async fn each_exemplar_is_sent_until_the_receiver_accepts_it() {
    for protocol in ALL {
        let busy = if protocol == Protocol::Grpc {
            Answer::Grpc(14, "busy", Vec::new())
        } else {
            Answer::Http(503, Default::default(), "busy")
        };
        let receiver = Receiver::start([busy]).await;
        let mut target = target(protocol, &receiver);
        assert!(target.takes_exemplars());
        let mut snapshot = snapshot(1, &[1]);
        let series = snapshot.scopes[0].metrics[0].data.series_at(0).expect("a series");
        let mut all = Exemplars::default();
        all.insert(series, [exemplar(1, &snapshot)].into());
        snapshot.exemplars = Arc::new(all);
        assert!(target.export(&snapshot).await.is_err(), "{protocol}");
        let again = Snapshot { time: snapshot.time + Duration::from_secs(1), ..snapshot };
        assert_eq!(target.export(&again).await, Ok(()), "{protocol}");
        let mut more = Exemplars::clone(&again.exemplars);
        let time = again.time + Duration::from_secs(1);
        let first = again.exemplars.of(series)[0].clone();
        more.insert(series, [first, exemplar(2, &again)].into());
        let last = Snapshot { time, exemplars: Arc::new(more), ..again };
        assert_eq!(target.export(&last).await, Ok(()), "{protocol}");
        let id = |number: u64| vec![span_ids(number).trace_id.to_vec()];
        let sent: Vec<_> = receiver.accepted().iter().map(traces).collect();
        assert_eq!(sent, [id(1), id(2)], "{protocol}");
    }
}

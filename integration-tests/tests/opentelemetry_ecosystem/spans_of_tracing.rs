//! Exemplars also refer to spans of the crate `tracing` that `tracing-opentelemetry` exports.

use meterkit_core::{ExemplarFilter, Registry, SpanIds};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn a_measurement_in_a_sampled_span_of_tracing_links_to_it() {
    for (sampler, is_sampled) in [(Sampler::AlwaysOn, true), (Sampler::AlwaysOff, false)] {
        let registry = Registry::new();
        registry.sample_exemplars(ExemplarFilter::TraceBased);
        let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
        let requests = requests.expect("a valid name");
        let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        let ids = tracing::subscriber::with_default(subscriber, || {
            requests.increment();
            let span = tracing::info_span!("request");
            span.in_scope(|| requests.add(2));
            let context = span.context();
            let span = context.span().span_context().clone();
            let (trace_id, span_id) = (span.trace_id().to_bytes(), span.span_id().to_bytes());
            SpanIds { trace_id, span_id }
        });
        let scopes = registry.read();
        let exemplars = registry.exemplars(registry.time_after(None));
        let series = scopes[0].metrics[0].data.series_at(0).expect("a series");
        let spans: Vec<_> = exemplars.of(series).iter().map(|exemplar| exemplar.span).collect();
        assert_eq!(spans, if is_sampled { vec![Some(ids)] } else { vec![] });
    }
}

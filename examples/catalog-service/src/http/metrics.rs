//! What is measured of requests, by OpenTelemetry's semantic conventions for HTTP servers.

use meterkit::{
    HistogramGroup, InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels,
    Registry, UpDownCounter,
};

use super::{Exchange, Method};

/// The metrics of the HTTP layer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    pub(super) request_duration: HistogramGroup<Exchange<'static>>,
    pub(super) active_requests: UpDownCounter,
}

impl HttpMetrics {
    /// Makes them in `registry`.
    ///
    /// The conventions fix these names, so this meter puts nothing before them.
    pub fn new(registry: &Registry) -> Result<Self, InstrumentError> {
        let meter = registry.semconv("catalog_service.http");
        Ok(Self {
            request_duration: meter
                .histogram_group("http.server.request.duration")
                .unit("s")
                .description("Duration of HTTP server requests.")
                .build()?,
            active_requests: meter
                .up_down_counter("http.server.active_requests")
                .unit("{request}")
                .description("Number of active HTTP server requests.")
                .build()?,
        })
    }
}

impl Labels for Exchange<'_> {
    type Set = Exchange<'static>;
    const KEYS: &'static [LabelKey] = &[
        LabelKey::new("http.request.method"),
        LabelKey::new("http.response.status_code"),
        LabelKey::new("http.route"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.method.label());
        visitor.visit(LabelRef::I64(self.status.as_u16().into()));
        visitor.visit(self.route.label());
    }
}

impl LabelValue for Method {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Static(self.as_str())
    }
}

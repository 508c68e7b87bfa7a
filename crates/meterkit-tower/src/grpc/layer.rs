//! The layers, and what they are set to.

use std::sync::Arc;

use http::Uri;
use meterkit_core::{HistogramGroup, InstrumentError, Registry};
use tower_layer::Layer;

use super::address::Address;
use super::labels::CallLabels;
use super::methods::KnownMethods;
use super::metrics::{IncomingCalls, OutgoingCalls};
use super::service::{GrpcClientService, GrpcServerService};

/// A layer that measures the calls of a gRPC server. Cheap to clone. See the [module](crate::grpc).
///
/// Add it to the whole server, outside of layers that refuse calls: those are then counted too.
#[derive(Clone, Debug)]
pub struct GrpcServerMetrics {
    settings: Arc<Settings>,
}

/// A layer that measures the calls of a gRPC client. Cheap to clone. See the [module](crate::grpc).
///
/// Put it around the channel. Inside of a layer that retries, each attempt is a call.
#[derive(Clone, Debug)]
pub struct GrpcClientMetrics {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) duration: HistogramGroup<CallLabels<'static>>,
    pub(crate) side: Side,
    pub(crate) methods: KnownMethods,
    /// The server that a client calls, where its requests do not say it.
    pub(crate) server: Option<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

impl GrpcServerMetrics {
    /// Creates the layer, with its metric in the global registry.
    ///
    /// If another instrument has its name, this is logged, and calls are recorded nowhere.
    pub fn new() -> Self {
        Self::of(IncomingCalls::register())
    }

    /// Creates the layer, with its metric in this registry.
    ///
    /// # Errors
    ///
    /// The registry has a different instrument of this name in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        IncomingCalls::register_in(registry).map(Self::of)
    }

    fn of(calls: IncomingCalls) -> Self {
        Self { settings: Settings::shared(calls.duration, Side::Server) }
    }

    /// Names these methods, from the start, and no others. A method has the form `greeter.Greeter/SayHello`.
    ///
    /// ```
    /// # use meterkit::tower::grpc::GrpcServerMetrics;
    /// let metrics =
    ///     GrpcServerMetrics::new().methods(["greeter.Greeter/SayHello", "greeter.Greeter/SayGoodbye"]);
    /// # let _ = metrics;
    /// ```
    #[must_use]
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        Arc::make_mut(&mut self.settings).methods = KnownMethods::listed(methods);
        self
    }
}

impl GrpcClientMetrics {
    /// Creates the layer, with its metric in the global registry.
    ///
    /// If another instrument has its name, this is logged, and calls are recorded nowhere.
    pub fn new() -> Self {
        Self::of(OutgoingCalls::register())
    }

    /// Creates the layer, with its metric in this registry.
    ///
    /// # Errors
    ///
    /// The registry has a different instrument of this name in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        OutgoingCalls::register_in(registry).map(Self::of)
    }

    fn of(calls: OutgoingCalls) -> Self {
        Self { settings: Settings::shared(calls.duration, Side::Client) }
    }

    /// Sets `server.address` and `server.port` to those of a URI, without a port to the one that is usual for its scheme.
    ///
    /// Requests of tonic get their address inside of the channel, where this layer cannot see it. Pass `Endpoint::uri` of the
    /// channel. A URI without an address has no effect.
    #[must_use]
    pub fn server(mut self, uri: &Uri) -> Self {
        Arc::make_mut(&mut self.settings).server = Address::of(uri);
        self
    }

    /// Names these methods and no others. See [`GrpcServerMetrics::methods`].
    #[must_use]
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        Arc::make_mut(&mut self.settings).methods = KnownMethods::listed(methods);
        self
    }
}

impl Settings {
    fn shared(duration: HistogramGroup<CallLabels<'static>>, side: Side) -> Arc<Self> {
        Arc::new(Self { duration, side, methods: KnownMethods::learning(), server: None })
    }
}

impl<S> Layer<S> for GrpcServerMetrics {
    type Service = GrpcServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcServerService { inner, settings: self.settings.clone() }
    }
}

impl<S> Layer<S> for GrpcClientMetrics {
    type Service = GrpcClientService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcClientService { inner, settings: self.settings.clone() }
    }
}

impl Default for GrpcServerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for GrpcClientMetrics {
    fn default() -> Self {
        Self::new()
    }
}

//! The gRPC layers and their settings.

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
/// Add the layer to the whole server, outside of layers that refuse calls, so that refused calls are counted too.
#[derive(Clone, Debug)]
pub struct GrpcServerMetrics {
    settings: Arc<Settings>,
}

/// A layer that measures the calls of a gRPC client. Cheap to clone. See the [module](crate::grpc).
///
/// Wrap the layer around the channel. Inside a layer that retries, each attempt counts as a call.
#[derive(Clone, Debug)]
pub struct GrpcClientMetrics {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) duration: HistogramGroup<CallLabels<'static>>,
    pub(crate) side: Side,
    pub(crate) methods: KnownMethods,
    /// The server that a client calls. Takes precedence over the URI of a request.
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
    /// If the metric's name is already taken by a different instrument, an error is logged, and calls are not recorded.
    pub fn new() -> Self {
        Self::of(IncomingCalls::register())
    }

    /// Creates the layer, with its metric in `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry has a different instrument with the metric's name in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        IncomingCalls::register_in(registry).map(Self::of)
    }

    fn of(calls: IncomingCalls) -> Self {
        Self { settings: Settings::shared(calls.duration, Side::Server) }
    }

    /// Sets the methods that become labels, from the start. All other methods are `_OTHER`. A method has the form
    /// `greeter.Greeter/SayHello`.
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
    /// If the metric's name is already taken by a different instrument, an error is logged, and calls are not recorded.
    pub fn new() -> Self {
        Self::of(OutgoingCalls::register())
    }

    /// Creates the layer, with its metric in `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry has a different instrument with the metric's name in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        OutgoingCalls::register_in(registry).map(Self::of)
    }

    fn of(calls: OutgoingCalls) -> Self {
        Self { settings: Settings::shared(calls.duration, Side::Client) }
    }

    /// Sets `server.address` and `server.port` from a URI. If the URI has no port, the default port of its scheme is
    /// used.
    ///
    /// Tonic adds the address to a request inside the channel, where this layer cannot see it, so pass the channel's
    /// `Endpoint::uri`. A URI without an address has no effect.
    #[must_use]
    pub fn server(mut self, uri: &Uri) -> Self {
        Arc::make_mut(&mut self.settings).server = Address::of(uri);
        self
    }

    /// Sets the methods that become labels. See [`GrpcServerMetrics::methods`].
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

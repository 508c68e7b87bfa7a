//! The HTTP layer and its settings.

use std::fmt;
use std::sync::Arc;

use meterkit_core::{InstrumentError, Registry};
use tower_layer::Layer;

use crate::labels::{NoLabels, RequestLabels, Scheme};
use crate::metrics::ServerMetrics;
use crate::service::HttpMetricsService;

/// A layer that measures the requests of an HTTP server. Cheap to clone.
///
/// Add the layer once, to the whole router, after layers that change bodies, such as compression. Sizes are then the
/// sizes on the wire, and requests that match no route are counted too.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use meterkit::tower::HttpMetrics;
///
/// let app: Router = Router::new()
///     .route("/users/{id}", get(|| async { "Ada" }))
///     .route("/healthz", get(|| async {}))
///     .layer(HttpMetrics::new().without_route("/healthz"));
/// ```
///
/// `L` is the type of the application's own labels: see [`RequestLabels`].
pub struct HttpMetrics<L: RequestLabels = NoLabels> {
    pub(crate) settings: Arc<Settings<L>>,
}

pub(crate) struct Settings<L: RequestLabels> {
    pub(crate) metrics: ServerMetrics<L>,
    /// The scheme of requests that do not state one.
    pub(crate) scheme: Scheme,
    /// Routes whose requests are not measured.
    pub(crate) left_out: Vec<String>,
}

impl HttpMetrics {
    /// Creates the layer, with its metrics in the global registry.
    ///
    /// If the name of an instrument is already taken by a different instrument, an error is logged, and the layer's
    /// instrument records nothing.
    pub fn new() -> Self {
        Self::with_labels()
    }

    /// Creates the layer, with its metrics in `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry has a different instrument with one of the layer's names in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        Self::with_labels_in(registry)
    }
}

impl<L: RequestLabels> HttpMetrics<L> {
    /// Creates the layer with the application's labels `L`, with its metrics in the global registry.
    ///
    /// If an instrument cannot be created, an error is logged, and the instrument records nothing. See
    /// [`with_labels_in`](Self::with_labels_in) for the reasons.
    pub fn with_labels() -> Self {
        Self::of(ServerMetrics::register())
    }

    /// Creates the layer with the application's labels `L`, with its metrics in `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error in the case that [`new_in`](HttpMetrics::new_in) describes, and if one of the application's
    /// labels has a key that the conventions use.
    pub fn with_labels_in(registry: &Registry) -> Result<Self, InstrumentError> {
        ServerMetrics::register_in(registry).map(Self::of)
    }

    fn of(metrics: ServerMetrics<L>) -> Self {
        let settings = Settings { metrics, scheme: Scheme::Http, left_out: Vec::new() };
        Self { settings: Arc::new(settings) }
    }

    /// Excludes all requests of a route, written as in the router: `/healthz`, `/users/{id}`.
    #[must_use]
    pub fn without_route(mut self, route: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings).left_out.push(route.into());
        self
    }

    /// Sets `url.scheme` to `https` for requests that do not state a scheme. The default is `http`.
    ///
    /// Use this for servers that accept TLS connections: HTTP/1 requests do not contain a scheme.
    #[must_use]
    pub fn https(mut self) -> Self {
        Arc::make_mut(&mut self.settings).scheme = Scheme::Https;
        self
    }
}

impl<S, L: RequestLabels> Layer<S> for HttpMetrics<L> {
    type Service = HttpMetricsService<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpMetricsService { inner, settings: self.settings.clone() }
    }
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: RequestLabels> Clone for HttpMetrics<L> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone() }
    }
}

impl<L: RequestLabels> fmt::Debug for HttpMetrics<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl<L: RequestLabels> Clone for Settings<L> {
    fn clone(&self) -> Self {
        let Self { metrics, scheme, left_out } = self;
        Self { metrics: metrics.clone(), scheme: *scheme, left_out: left_out.clone() }
    }
}

impl<L: RequestLabels> fmt::Debug for Settings<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetrics")
            .field("scheme", &self.scheme)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

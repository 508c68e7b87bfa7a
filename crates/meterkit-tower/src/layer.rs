//! The layer, and what it is set to.

use std::fmt;
use std::sync::Arc;

use meterkit_core::{InstrumentError, Registry};
use tower_layer::Layer;

use crate::labels::{NoLabels, RequestLabels, Scheme};
use crate::metrics::ServerMetrics;
use crate::service::HttpMetricsService;

/// A layer that measures the requests of an HTTP server. Cheap to clone.
///
/// Add it to the whole router, once, and after the layers that change bodies, such as compression: sizes are then those that
/// are sent, and requests that no route matches are counted too.
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
/// `L` are labels that the application adds: see [`RequestLabels`].
pub struct HttpMetrics<L: RequestLabels = NoLabels> {
    pub(crate) settings: Arc<Settings<L>>,
}

pub(crate) struct Settings<L: RequestLabels> {
    pub(crate) metrics: ServerMetrics<L>,
    /// The scheme of requests that do not say theirs.
    pub(crate) scheme: Scheme,
    /// Routes whose requests are not measured.
    pub(crate) left_out: Vec<String>,
}

impl HttpMetrics {
    /// Creates the layer, with its metrics in the global registry.
    ///
    /// An instrument that cannot be made, as there is another one of its name, is logged and records nowhere.
    pub fn new() -> Self {
        Self::with_labels()
    }

    /// Creates the layer, with its metrics in this registry.
    ///
    /// # Errors
    ///
    /// The registry has a different instrument of one of these names in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        Self::with_labels_in(registry)
    }
}

impl<L: RequestLabels> HttpMetrics<L> {
    /// Creates the layer with labels of the application, with its metrics in the global registry.
    ///
    /// An instrument that cannot be made is logged and records nowhere.
    pub fn with_labels() -> Self {
        Self::of(ServerMetrics::register())
    }

    /// Creates the layer with labels of the application, with its metrics in this registry.
    ///
    /// # Errors
    ///
    /// Those of [`new_in`](HttpMetrics::new_in), and labels with a key that the conventions use.
    pub fn with_labels_in(registry: &Registry) -> Result<Self, InstrumentError> {
        ServerMetrics::register_in(registry).map(Self::of)
    }

    fn of(metrics: ServerMetrics<L>) -> Self {
        let settings = Settings { metrics, scheme: Scheme::Http, left_out: Vec::new() };
        Self { settings: Arc::new(settings) }
    }

    /// Leaves out all requests of a route, given as the router has it: `/healthz`, `/users/{id}`.
    #[must_use]
    pub fn without_route(mut self, route: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings).left_out.push(route.into());
        self
    }

    /// Reports `https` as `url.scheme` of requests that do not say theirs, for servers that take TLS connections.
    /// In HTTP/1, requests have no scheme. The default is `http`.
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

//! The middleware.

use std::sync::Arc;

use async_trait::async_trait;
use http::Extensions;
use meterkit_core::{InstrumentError, Registry};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::body::{count_request, measure_response};
use crate::exchange::Exchange;
use crate::labels::ErrorType;
use crate::metrics::ClientMetrics;

/// A middleware that measures the requests of a client. Cheap to clone. See the [crate documentation](crate).
#[derive(Clone, Debug)]
pub struct HttpClientMetrics {
    metrics: Arc<ClientMetrics>,
}

/// The label `url.template` of a request: a path with placeholders for the parts that vary, such as `/users/{id}`.
///
/// Add it to a request as an extension: `client.get(url).with_extension(UrlTemplate("/users/{id}"))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for the text")]
pub struct UrlTemplate(pub &'static str);

impl HttpClientMetrics {
    /// Creates the middleware, with its metrics in the global registry.
    ///
    /// If the name of a metric is already taken by a different instrument, an error is logged, and the middleware's
    /// metric records nothing.
    pub fn new() -> Self {
        Self { metrics: Arc::new(ClientMetrics::register()) }
    }

    /// Creates the middleware, with its metrics in `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry has a different instrument with one of the metrics' names in the same scope.
    pub fn new_in(registry: &Registry) -> Result<Self, InstrumentError> {
        Ok(Self { metrics: Arc::new(ClientMetrics::register_in(registry)?) })
    }
}

impl Default for HttpClientMetrics {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Middleware for HttpClientMetrics {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let template = extensions.get::<UrlTemplate>().map(|template| template.0);
        let size = request.body_mut().as_mut().map(count_request);
        let exchange = Exchange::begin(&self.metrics, &request, template, size);
        match next.run(request, extensions).await {
            Ok(response) => Ok(measure_response(response, exchange)),
            Err(error) => {
                exchange.fail(ErrorType::of_middleware(&error));
                Err(error)
            }
        }
    }
}

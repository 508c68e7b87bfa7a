//! One request and its response.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use http::StatusCode;
use meterkit_core::{GroupTimer, InFlight};
use reqwest::{Request, Response};

use crate::labels::{Active, Ended, ErrorType, method_name, version_name};
use crate::metrics::ClientMetrics;

/// A request in progress. The request is recorded when this value is dropped, so that every request counts, however it
/// ends.
pub(crate) struct Exchange {
    metrics: Arc<ClientMetrics>,
    _active: InFlight,
    /// Taken when the exchange is recorded.
    timer: Option<GroupTimer<Ended<'static>>>,
    method: &'static str,
    address: String,
    port: Option<u16>,
    template: Option<&'static str>,
    /// `None` for a request without a body.
    request_size: Option<RequestSize>,
    response_size: u64,
    version: Option<&'static str>,
    status: Option<StatusCode>,
    error: Option<ErrorType>,
}

/// The size of a request's body.
pub(crate) enum RequestSize {
    Known(u64),
    /// The bytes of a stream, counted as they are sent.
    Counted(Arc<AtomicU64>),
}

impl Exchange {
    pub(crate) fn begin(
        metrics: &Arc<ClientMetrics>,
        request: &Request,
        template: Option<&'static str>,
        request_size: Option<RequestSize>,
    ) -> Self {
        let timer = metrics.duration.start_timer();
        let method = method_name(request.method());
        let url = request.url();
        // URLs put brackets around IPv6 addresses.
        let address = url.host_str().unwrap_or_default();
        let address = address.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default();
        let about = Active { method, address: &address, port, template };
        Self {
            _active: metrics.active.with(about).guard(),
            timer: Some(timer),
            method,
            address,
            port,
            template,
            request_size,
            response_size: 0,
            version: None,
            status: None,
            // The outcome unless a response follows: the request is canceled once nobody polls it.
            error: Some(ErrorType::CANCELED),
            metrics: metrics.clone(),
        }
    }

    /// Stores the version and status in the head of the response.
    pub(crate) fn answer(&mut self, response: &Response) {
        self.version = version_name(response.version());
        self.status = Some(response.status());
        self.error = None;
    }

    pub(crate) fn received(&mut self, bytes: u64) {
        self.response_size = self.response_size.saturating_add(bytes);
    }

    /// Records a request that ended with an error.
    pub(crate) fn fail(mut self, error: ErrorType) {
        self.error = Some(error);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        let error = match self.status {
            Some(status) if status.is_client_error() || status.is_server_error() => {
                Some(ErrorType::Status(status))
            }
            _ => self.error,
        };
        let Self { method, port, template, version, .. } = *self;
        let request = Active { method, address: &self.address, port, template };
        let labels =
            Ended { request, version, status: self.status.map(|status| status.as_u16()), error };
        timer.observe(&labels);
        if let Some(size) = &self.request_size {
            let bytes = match size {
                RequestSize::Known(bytes) => *bytes,
                RequestSize::Counted(bytes) => bytes.load(Relaxed),
            };
            self.metrics.request_size.with(&labels).record(bytes);
        }
        if self.status.is_some() {
            self.metrics.response_size.with(&labels).record(self.response_size);
        }
    }
}

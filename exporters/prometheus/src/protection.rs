//! How an endpoint is protected.

use crate::credentials::Credentials;
use crate::networks::Networks;
use crate::tls::ServerTls;

/// Access control of an endpoint: the credentials it requires, its TLS certificate, and the host names and networks it
/// serves. For [`PrometheusServer::protection`](crate::PrometheusServer::protection).
///
/// The default requires no credentials, uses no TLS, accepts connections from every network, and applies the host
/// rules of [`PrometheusServer::allowed_hosts`](crate::PrometheusServer::allowed_hosts) without further names.
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) allowed_hosts: Option<Vec<String>>,
    pub(crate) allowed_networks: Option<Networks>,
}

//! How an endpoint is protected.

use crate::credentials::Credentials;
use crate::networks::Networks;
use crate::tls::ServerTls;

/// Whom an endpoint serves, under which names, and by which certificate it is known. By default everybody, under those
/// of the address that it listens on, and without one.
///
/// For [`PrometheusServer::protection`](crate::PrometheusServer::protection).
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) allowed_hosts: Option<Vec<String>>,
    pub(crate) allowed_networks: Option<Networks>,
}

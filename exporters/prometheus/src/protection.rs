//! How an endpoint is protected.

use crate::credentials::Credentials;
use crate::tls::ServerTls;

/// Whom an endpoint serves, and by which certificate it is known. By default everybody, and none.
///
/// For [`PrometheusServer::protection`](crate::PrometheusServer::protection).
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<ServerTls>,
}

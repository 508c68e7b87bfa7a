//! The server that a client calls.

use http::Uri;
use http::uri::{Authority, Scheme};

/// The address of a server as the client names it, not the address of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    authority: Authority,
    port: Option<u16>,
}

impl Address {
    /// Returns the address in a URI, or `None` if the URI is only a path.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let authority = uri.authority()?.clone();
        let usual = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
            Some(scheme) if *scheme == Scheme::HTTP => Some(80),
            _ => None,
        };
        Some(Self { port: authority.port_u16().or(usual), authority })
    }

    /// Returns the host name or the IP address, without the brackets that URIs put around IPv6 addresses.
    pub(crate) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }
}

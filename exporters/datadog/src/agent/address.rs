//! The address at which the agent listens for DogStatsD.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 8125;

/// The examples in error messages.
const EXAMPLES: &str = "write `udp://localhost:8125` or `unix:///var/run/datadog/dsd.socket`";

/// The address of the agent: a UDP port or a Unix socket. The default is `udp://localhost:8125`.
///
/// ```
/// use meterkit_datadog::AgentAddress;
///
/// for text in [
///     "udp://10.0.0.7:8125",
///     "udp://[::1]:8125",
///     "unix:///var/run/datadog/dsd.socket",       // a datagram socket, or else a stream socket
///     "unixgram:///var/run/datadog/dsd.socket",   // a datagram socket
///     "unixstream:///var/run/datadog/dsd.socket", // a stream socket
/// ] {
///     # if cfg!(not(unix)) && text.starts_with("unix") { continue }
///     assert_eq!(text.parse::<AgentAddress>()?.to_string(), text);
/// }
/// # Ok::<(), meterkit_datadog::AgentAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentAddress(pub(super) Address);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Address {
    Udp { host: String, port: u16 },
    Unix { path: PathBuf, kind: UnixKind },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum UnixKind {
    /// A datagram socket or a stream socket, whichever exists at the path.
    Either,
    Datagram,
    Stream,
}

impl AgentAddress {
    /// Returns the address of a UDP port. The default is port 8125 on `localhost`.
    pub(crate) fn udp(host: Option<&str>, port: Option<u16>) -> Self {
        let host = host.unwrap_or(DEFAULT_HOST).to_owned();
        Self(Address::Udp { host, port: port.unwrap_or(DEFAULT_PORT) })
    }

    /// Checks that a text is only a host. IPv6 addresses may have brackets. `url` and `port` name the settings for a
    /// URL and for a port.
    pub(crate) fn bare_host(text: &str, url: &str, port: &str) -> Result<String, String> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = inner.filter(|inner| is_v6(inner)).unwrap_or(text);
        if is_v6(host) {
            return Ok(host.to_owned());
        }
        if host.contains("://") || host.contains(['/', '@']) {
            return Err(format!(
                "must be only a host, without scheme and path; a URL goes into {url}"
            ));
        }
        if host.contains([':', '[', ']']) || host.contains(char::is_whitespace) {
            return Err(format!("must be only a host; the port goes into {port}"));
        }
        Ok(host.to_owned())
    }

    /// Parses a port from 1 to 65535.
    pub(crate) fn port(text: &str) -> Option<u16> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| is_number && *port > 0)
    }

    /// Returns the maximum size of a packet, in bytes: one Ethernet frame over UDP, the agent's buffer over a Unix
    /// socket.
    pub(super) fn max_packet_bytes(&self) -> usize {
        match self.0 {
            Address::Udp { .. } => 1432,
            Address::Unix { .. } => 8192,
        }
    }
}

impl Default for AgentAddress {
    fn default() -> Self {
        Self::udp(None, None)
    }
}

/// Formats the address as in `DD_DOGSTATSD_URL`.
impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Udp { host, port } if host.contains(':') => write!(f, "udp://[{host}]:{port}"),
            Address::Udp { host, port } => write!(f, "udp://{host}:{port}"),
            Address::Unix { path, kind } => {
                let scheme = match kind {
                    UnixKind::Either => "unix",
                    UnixKind::Datagram => "unixgram",
                    UnixKind::Stream => "unixstream",
                };
                write!(f, "{scheme}://{}", path.display())
            }
        }
    }
}

/// Parses `udp://host:port`, where the port is optional, `unix:///path`, `unixgram:///path` or `unixstream:///path`.
impl FromStr for AgentAddress {
    type Err = AgentAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(AgentAddressError::new(format!("has no scheme; {EXAMPLES}")));
        };
        let place = match scheme.to_ascii_lowercase().as_str() {
            "udp" => udp(rest)?,
            "unix" => unix(rest, UnixKind::Either)?,
            "unixgram" => unix(rest, UnixKind::Datagram)?,
            "unixstream" => unix(rest, UnixKind::Stream)?,
            _ => {
                return Err(AgentAddressError::new(format!(
                    "an agent cannot be reached over `{scheme}`; {EXAMPLES}"
                )));
            }
        };
        Ok(Self(place))
    }
}

/// The error for a text that is not the address of an agent. It does not quote the whole text, which may hold a
/// password.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AgentAddressError {
    reason: String,
}

meterkit_rules::debug_as_text!(AgentAddressError);

impl AgentAddressError {
    fn new(reason: String) -> Self {
        Self { reason }
    }
}

fn udp(rest: &str) -> Result<Address, AgentAddressError> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        let reason = "a UDP address consists of only a host and a port; \
                      write `udp://localhost:8125`";
        return Err(AgentAddressError::new(reason.to_owned()));
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if is_v6(host) => match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(AgentAddressError::new(no_port(rest))),
        },
        Some((host, _)) => {
            let reason =
                format!("`{host}` in brackets is not an IPv6 address; write `udp://[::1]:8125`");
            return Err(AgentAddressError::new(reason));
        }
        None if is_v6(authority) => {
            let reason =
                format!("an IPv6 address must be in brackets; write `udp://[{authority}]`");
            return Err(AgentAddressError::new(reason));
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(AgentAddressError::new(format!("has no host; {EXAMPLES}")));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => {
            AgentAddress::port(text).ok_or_else(|| AgentAddressError::new(no_port(text)))?
        }
    };
    Ok(Address::Udp { host: host.to_owned(), port })
}

fn no_port(text: &str) -> String {
    // Do not quote text that may be a password.
    if text.contains(char::is_alphabetic) {
        return "has no port after `:`; write a number from 1 to 65535".to_owned();
    }
    format!("`{text}` is not a port; write a number from 1 to 65535, as in `udp://localhost:8125`")
}

fn unix(path: &str, kind: UnixKind) -> Result<Address, AgentAddressError> {
    if !path.starts_with('/') {
        let reason = "the path of the socket does not begin with `/`; \
                      write three slashes, as in `unix:///var/run/datadog/dsd.socket`";
        return Err(AgentAddressError::new(reason.to_owned()));
    }
    check_path(Path::new(path))?;
    Ok(Address::Unix { path: path.into(), kind })
}

#[cfg(unix)]
fn check_path(path: &Path) -> Result<(), AgentAddressError> {
    match std::os::unix::net::SocketAddr::from_pathname(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(AgentAddressError::new(format!(
            "a socket cannot have this path ({error}); use a shorter one, of about 100 bytes at most"
        ))),
    }
}

#[cfg(not(unix))]
fn check_path(_path: &Path) -> Result<(), AgentAddressError> {
    Err(AgentAddressError::new(
        "Unix sockets are not supported on this platform; write `udp://localhost:8125`".to_owned(),
    ))
}

/// Returns whether a text is an IPv6 address, with or without a zone.
fn is_v6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use meterkit_settings::Environment;

    use crate::DatadogConfig;

    const URL: &str = "DD_DOGSTATSD_URL";
    const HOST: &str = "DD_AGENT_HOST";
    const PORT: &str = "DD_DOGSTATSD_PORT";

    fn from(pairs: &[(&str, &str)]) -> Result<String, String> {
        let mode = ("METERKIT_DATADOG_MODE", "agent");
        let environment = Environment::of(pairs.iter().copied().chain([mode]));
        let config = environment.read(DatadogConfig::read).map_err(|error| error.to_string())?;
        Ok(config.agent.to_string())
    }

    #[test]
    fn the_url_wins_over_host_and_port_which_have_defaults() {
        for (pairs, expected) in [
            (&[][..], "udp://localhost:8125"),
            (&[(URL, " "), (HOST, "")], "udp://localhost:8125"),
            (&[(HOST, "10.0.0.7")], "udp://10.0.0.7:8125"),
            (&[(PORT, " 9125 ")], "udp://localhost:9125"),
            (&[(HOST, "agent"), (PORT, "1")], "udp://agent:1"),
            (&[(HOST, "::1")], "udp://[::1]:8125"),
            (&[(HOST, "[::1]"), (PORT, "9")], "udp://[::1]:9"),
            (&[(HOST, "fe80::1%eth0")], "udp://[fe80::1%eth0]:8125"),
            (&[(URL, "unix:///a b"), (HOST, "x y"), (PORT, "0")], "unix:///a b"),
            (&[(URL, "UDP://agent")], "udp://agent:8125"),
            (&[(URL, "udp://[::1]:7/")], "udp://[::1]:7"),
            (&[(URL, "udp://[::1]")], "udp://[::1]:8125"),
            (&[(URL, "unixgram:///s")], "unixgram:///s"),
            (&[(URL, "unixstream:///s")], "unixstream:///s"),
        ] {
            if cfg!(not(unix)) && expected.starts_with("unix") {
                let error = from(pairs).expect_err("no Unix sockets");
                assert!(
                    error.contains("Unix sockets are not supported on this platform"),
                    "{error}"
                );
                continue;
            }
            assert_eq!(from(pairs), Ok(expected.to_owned()), "{pairs:?}");
        }
    }

    #[test]
    fn each_error_names_the_variable_and_says_what_to_write() {
        #[cfg(unix)]
        let long = format!("unix:///{}", "a".repeat(200));
        for (variable, value, part) in [
            (URL, "localhost:8125", "has no scheme; write `udp://localhost:8125` or `unix:///"),
            (URL, "/var/run/dsd.socket", "has no scheme"),
            (URL, "http://agent:8126", "cannot be reached over `http`"),
            (URL, "udp://", "has no host"),
            (URL, "udp://:8125", "has no host"),
            (URL, "udp://agent:", "`` is not a port"),
            (URL, "udp://agent:0", "`0` is not a port"),
            (URL, "udp://agent:+1", "`+1` is not a port"),
            (URL, "udp://agent:65536", "1 to 65535"),
            (URL, "udp://agent:8125/x", "only a host and a port"),
            (URL, "udp://::1", "write `udp://[::1]`"),
            (URL, "udp://[agent]:8125", "`agent` in brackets is not an IPv6 address"),
            (URL, "udp://[::1]8125", "`8125` is not a port"),
            (URL, "unix://var/run", "three slashes"),
            #[cfg(unix)]
            (URL, &long, "use a shorter one"),
            (HOST, "udp://agent", "a URL goes into DD_DOGSTATSD_URL"),
            (HOST, "agent:8125", "the port goes into DD_DOGSTATSD_PORT"),
            (PORT, "many", "write a port from 1 to 65535"),
            (PORT, "0", "write a port from 1 to 65535"),
        ] {
            let error = from(&[(variable, value)]).expect_err(value);
            assert!(error.starts_with(&format!("{variable}=`{value}`: ")), "{error}");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for variable in [URL, HOST] {
            let error = from(&[(variable, "udp://me:secret@agent:8125")]).expect_err("no user");
            assert!(!error.contains("secret"), "{error}");
            assert!(error.starts_with(&format!("{variable}=`udp://...`: ")), "{error}");
            let error = from(&[(variable, "udp://me:secret")]).expect_err("no port");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

//! The socket to the agent: connected when it is needed, and anew after each error.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{sleep, timeout};

use super::address::{Address, AgentAddress};
#[cfg(unix)]
use super::unix_socket::{self, UnixSocket};

/// A socket that packets are sent through.
#[derive(Debug)]
pub(super) struct AgentSocket {
    address: AgentAddress,
    /// How long a packet may wait for room.
    patience: Duration,
    connection: Option<Connection>,
    /// Which of a host's addresses comes next.
    turn: usize,
    /// How many packets went out since the last pause.
    burst: u32,
}

#[derive(Debug)]
enum Connection {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// Why a packet was not sent.
#[derive(Debug)]
pub(super) enum SocketError {
    /// There is nobody to connect to.
    Unreachable(io::Error),
    /// The connection is broken; a new one may work.
    Broken(io::Error),
    /// As `Broken`, and the packet before did not get there either.
    BrokenBefore(io::Error),
    /// There was no room for it in time. The agent does not read, or not fast enough.
    Full,
    /// No packet of this size can be sent.
    TooLong,
}

/// How often a network device is asked that has no room; it does not tell when it has.
const DEVICE_PAUSE: Duration = Duration::from_millis(10);

/// UDP drops what the agent's buffer has no room for, without a word. So the agent gets time to read after each of
/// these many packets: a sixth of the buffer that it has by default.
const BURST: u32 = 16;
const BURST_PAUSE: Duration = Duration::from_millis(1);

impl AgentSocket {
    pub(super) fn new(address: AgentAddress, patience: Duration) -> Self {
        Self { address, patience, connection: None, turn: 0, burst: 0 }
    }

    /// Sends `packet` as a whole, or not at all. May be canceled, and called again with the same packet or another.
    pub(super) async fn send(&mut self, packet: &[u8]) -> Result<(), SocketError> {
        let is_usable = self.connection.as_ref().is_some_and(|it| it.is_usable(packet));
        if !is_usable {
            // Before the attempt: the old one holds resources of the agent.
            self.connection = None;
            let attempt = timeout(self.patience, connect(&self.address, self.turn)).await;
            let attempt = attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            self.connection = Some(attempt.map_err(SocketError::Unreachable)?);
        }
        if matches!(self.connection, Some(Connection::Udp(_))) {
            if self.burst == BURST {
                sleep(BURST_PAUSE).await;
                self.burst = 0;
            }
            self.burst += 1;
        }
        let Some(connection) = &mut self.connection else {
            return Err(SocketError::Full);
        };
        let outcome = timeout(self.patience, connection.send(packet)).await;
        let outcome = outcome.unwrap_or(Err(SocketError::Full));
        if let Err(SocketError::Broken(_) | SocketError::BrokenBefore(_)) = outcome {
            self.connection = None;
            self.turn = self.turn.wrapping_add(1);
        }
        outcome
    }
}

impl Connection {
    async fn send(&mut self, packet: &[u8]) -> Result<(), SocketError> {
        loop {
            let outcome = match self {
                Self::Udp(socket) => send_udp(socket, packet).await,
                #[cfg(unix)]
                Self::Unix(socket) => socket.send(packet).await,
            };
            match outcome {
                Err(SocketError::Broken(error)) if is_device_full(&error) => {
                    sleep(DEVICE_PAUSE).await;
                }
                Err(SocketError::Broken(error)) if is_too_long(&error) => {
                    return Err(SocketError::TooLong);
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether `packet` would arrive as one.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "datagrams always do"))]
    fn is_usable(&self, packet: &[u8]) -> bool {
        match self {
            Self::Udp(_) => true,
            #[cfg(unix)]
            Self::Unix(socket) => socket.is_usable(packet),
        }
    }
}

/// Where nobody listens, the system is told so, and tells with the next call: at once on the same machine.
async fn send_udp(socket: &UdpSocket, packet: &[u8]) -> Result<(), SocketError> {
    match socket.send(packet).await {
        // That was about an earlier packet, and kept this one from being sent.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(SocketError::BrokenBefore(error))
        }
        Err(error) => Err(SocketError::Broken(error)),
        Ok(_) => match socket.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(SocketError::Broken(error)),
        },
    }
}

async fn connect(address: &AgentAddress, turn: usize) -> io::Result<Connection> {
    match &address.0 {
        Address::Udp { host, port } => {
            let mut addresses: Vec<SocketAddr> =
                lookup_host((host.as_str(), *port)).await?.collect();
            // `localhost` is both, and an agent seldom listens at `::1` alone.
            addresses.sort_by_key(SocketAddr::is_ipv6);
            let at = turn.checked_rem(addresses.len());
            let Some(peer) = at.and_then(|at| addresses.get(at)) else {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
            };
            let local: SocketAddr = match peer {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(local).await?;
            socket.connect(peer).await?;
            Ok(Connection::Udp(socket))
        }
        #[cfg(unix)]
        Address::Unix { path, kind } => {
            UnixSocket::connect(path, *kind).await.map(Connection::Unix)
        }
        #[cfg(not(unix))]
        Address::Unix { .. } => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(unix)]
fn is_device_full(error: &io::Error) -> bool {
    unix_socket::is(error, rustix::io::Errno::NOBUFS)
}

#[cfg(not(unix))]
fn is_device_full(_error: &io::Error) -> bool {
    false
}

#[cfg(unix)]
fn is_too_long(error: &io::Error) -> bool {
    unix_socket::is(error, rustix::io::Errno::MSGSIZE)
}

#[cfg(not(unix))]
fn is_too_long(_error: &io::Error) -> bool {
    false
}

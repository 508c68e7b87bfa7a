//! The socket to the agent. It connects on first use, and again after each error.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{sleep, timeout};

use super::address::{Address, AgentAddress};
#[cfg(unix)]
use super::unix_socket::{self, UnixSocket};

/// A socket that sends packets to the agent.
#[derive(Debug)]
pub(super) struct AgentSocket {
    address: AgentAddress,
    /// The time limit for connecting, and for a packet to find room in the socket's buffer.
    patience: Duration,
    connection: Option<Connection>,
    /// Selects the address of the host for the next connection, modulo the number of addresses.
    turn: usize,
    /// The number of packets that were sent since the last pause.
    burst: u32,
}

#[derive(Debug)]
enum Connection {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// The reason why a packet was not sent.
#[derive(Debug)]
pub(super) enum SocketError {
    /// Connecting failed.
    Unreachable(io::Error),
    /// The connection is broken. A new one may work.
    Broken(io::Error),
    /// Like `Broken`, and the previous packet was lost too.
    BrokenBefore(io::Error),
    /// The buffer had no room for the packet in time. The agent does not read, or not fast enough.
    Full,
    /// The packet is too long for the socket.
    TooLong,
}

/// The delay before sending again when a network device has no room. The device does not signal when it has.
const DEVICE_PAUSE: Duration = Duration::from_millis(10);

/// The number of packets before a pause. UDP silently drops packets if the agent's buffer is full, so that the agent
/// gets time to read. A burst is a sixth of its default buffer.
const BURST: u32 = 16;
const BURST_PAUSE: Duration = Duration::from_millis(1);

impl AgentSocket {
    pub(super) fn new(address: AgentAddress, patience: Duration) -> Self {
        Self { address, patience, connection: None, turn: 0, burst: 0 }
    }

    /// Sends `packet` as a whole or not at all. The call may be canceled, and repeated with the same packet or
    /// another one.
    pub(super) async fn send(&mut self, packet: &[u8]) -> Result<(), SocketError> {
        let is_usable = self.connection.as_ref().is_some_and(|it| it.is_usable(packet));
        if !is_usable {
            // Close the old connection first: it holds resources of the agent.
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

    /// Returns whether `packet` would arrive in one piece.
    #[cfg_attr(
        not(unix),
        expect(unused_variables, reason = "datagrams always arrive in one piece")
    )]
    fn is_usable(&self, packet: &[u8]) -> bool {
        match self {
            Self::Udp(_) => true,
            #[cfg(unix)]
            Self::Unix(socket) => socket.is_usable(packet),
        }
    }
}

/// Sends a packet over UDP. If nobody listens, the system learns of it by ICMP and reports it with the next call: on
/// the same machine, immediately.
async fn send_udp(socket: &UdpSocket, packet: &[u8]) -> Result<(), SocketError> {
    match socket.send(packet).await {
        // The error refers to an earlier packet, and prevented this one from being sent.
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

/// Connects and sends nothing. Over UDP, that fails only if the host is unknown.
pub(super) async fn probe(address: &AgentAddress) -> io::Result<()> {
    connect(address, 0).await.map(drop)
}

async fn connect(address: &AgentAddress, turn: usize) -> io::Result<Connection> {
    match &address.0 {
        Address::Udp { host, port } => {
            let mut addresses: Vec<SocketAddr> =
                lookup_host((host.as_str(), *port)).await?.collect();
            // Try IPv4 first: `localhost` resolves to both, and an agent rarely listens on `::1` only.
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

//! Unix sockets.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixDatagram, UnixStream};

use super::address::UnixKind;
use super::socket::SocketError;

#[derive(Debug)]
pub(super) enum UnixSocket {
    Datagram(UnixDatagram),
    Stream {
        stream: UnixStream,
        /// The current packet, preceded by its length.
        frame: Vec<u8>,
        /// The number of bytes of the frame that have been written; 0 once the frame is complete.
        written: usize,
    },
}

impl UnixSocket {
    pub(super) async fn connect(path: &Path, kind: UnixKind) -> io::Result<Self> {
        match kind {
            UnixKind::Datagram => datagram(path),
            UnixKind::Stream => stream(path).await,
            // Datadog's own libraries try datagrams first, too.
            UnixKind::Either => match datagram(path) {
                Err(error) if is(&error, Errno::PROTOTYPE) => stream(path).await,
                outcome => outcome,
            },
        }
    }

    /// Returns whether `packet` can be sent over this connection: not if another packet was only partly written. The
    /// agent drops that one when the connection ends.
    pub(super) fn is_usable(&self, packet: &[u8]) -> bool {
        match self {
            Self::Datagram(_) | Self::Stream { written: 0, .. } => true,
            Self::Stream { frame, .. } => {
                frame.split_first_chunk::<4>().is_some_and(|(_, begun)| begun == packet)
            }
        }
    }

    /// Sends `packet`, or continues it if an earlier call was canceled.
    pub(super) async fn send(&mut self, packet: &[u8]) -> Result<(), SocketError> {
        match self {
            Self::Datagram(socket) => {
                socket.send(packet).await.map(drop).map_err(SocketError::Broken)
            }
            Self::Stream { stream, frame, written } => {
                if *written == 0 {
                    let Ok(length) = u32::try_from(packet.len()) else {
                        return Err(SocketError::TooLong);
                    };
                    *frame = [&length.to_le_bytes(), packet].concat();
                }
                while let Some(rest) = frame.get(*written..).filter(|rest| !rest.is_empty()) {
                    match stream.write(rest).await {
                        Ok(0) => return Err(SocketError::Broken(io::ErrorKind::WriteZero.into())),
                        Ok(size) => *written += size,
                        Err(error) => return Err(broken(stream, error)),
                    }
                }
                *written = 0;
                Ok(())
            }
        }
    }
}

/// Converts a write error. If the connection was reset rather than closed, the agent had unread data: at least the
/// end of the last packet.
fn broken(stream: &UnixStream, error: io::Error) -> SocketError {
    match stream.take_error() {
        Ok(Some(reset)) if reset.kind() == io::ErrorKind::ConnectionReset => {
            SocketError::BrokenBefore(reset)
        }
        _ => SocketError::Broken(error),
    }
}

fn datagram(path: &Path) -> io::Result<UnixSocket> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(UnixSocket::Datagram(socket))
}

async fn stream(path: &Path) -> io::Result<UnixSocket> {
    let stream = UnixStream::connect(path).await?;
    Ok(UnixSocket::Stream { stream, frame: Vec::new(), written: 0 })
}

pub(super) fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

//! A TLS connection whose handshake is part of the first read.
//!
//! As a result, the timeout for slow requests and the closing of connections when the endpoint stops also apply to
//! clients that have not finished the handshake.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, LazyConfigAcceptor, StartHandshake};

use super::reload::Encryption;

pub(crate) struct TlsSocket {
    encryption: Encryption,
    state: State,
}

enum State {
    /// Waiting for the client's `ClientHello`.
    Hello(Box<LazyConfigAcceptor<TcpStream>>),
    /// Rereading the certificate files.
    Loading(Box<StartHandshake<TcpStream>>, JoinHandle<Arc<ServerConfig>>),
    Handshake(Box<Accept<TcpStream>>),
    Open(Box<TlsStream<TcpStream>>),
    /// The client does not speak TLS, or its certificate was refused.
    Failed,
}

impl TlsSocket {
    pub(crate) fn new(encryption: Encryption, stream: TcpStream) -> Self {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
        Self { encryption, state: State::Hello(Box::new(hello)) }
    }

    /// Returns the stream once the handshake is done.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Pin<&mut TlsStream<TcpStream>>>> {
        while !matches!(self.state, State::Open(_)) {
            match ready!(self.poll_handshake(cx)) {
                Ok(state) => self.state = state,
                Err(error) => {
                    // A failed handshake must not be polled again.
                    self.state = State::Failed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.state {
            State::Open(stream) => Ok(Pin::new(&mut **stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        })
    }

    /// Polls the current step of the handshake and returns the next state.
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<State>> {
        let (hello, config) = match &mut self.state {
            State::Hello(hello) => {
                let hello = ready!(Pin::new(&mut **hello).poll(cx))?;
                if self.encryption.has_files() {
                    let encryption = self.encryption.clone();
                    let loading = spawn_blocking(move || encryption.reloaded());
                    return Poll::Ready(Ok(State::Loading(Box::new(hello), loading)));
                }
                (hello, self.encryption.current())
            }
            State::Loading(_, loading) => {
                let loaded = ready!(Pin::new(loading).poll(cx));
                let State::Loading(hello, _) = std::mem::replace(&mut self.state, State::Failed)
                else {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                };
                (*hello, loaded.unwrap_or_else(|_| self.encryption.current()))
            }
            State::Handshake(accept) => {
                let stream = ready!(Pin::new(&mut **accept).poll(cx))?;
                return Poll::Ready(Ok(State::Open(Box::new(stream))));
            }
            State::Open(_) | State::Failed => {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
        };
        Poll::Ready(Ok(State::Handshake(Box::new(hello.into_stream(config)))))
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Open(stream) => Pin::new(&mut **stream).poll_flush(cx),
            // The handshake flushes its own data.
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Open(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            // No TLS session exists that would need a closing message; dropping the stream closes the connection.
            _ => Poll::Ready(Ok(())),
        }
    }
}

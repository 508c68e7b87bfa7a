//! The route to the receiver, below encryption: direct, forwarded by a proxy, or in a tunnel through a proxy.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use meterkit_rules::Cause;
use tokio::net::TcpStream;
use tower_service::Service;

use super::{BoxError, ToProxy};
use crate::proxy::Proxy;
use crate::send_error::cause_of;

/// The route of connections to the receiver.
#[derive(Clone, Debug)]
pub enum Route {
    /// A direct connection.
    Direct(HttpConnector),
    /// A connection to a proxy that forwards each request.
    Forwarded(ToProxy, Proxy),
    /// A tunnel through a proxy.
    Tunneled(Tunnel<ToProxy>, Proxy),
}

impl Route {
    pub(super) fn tunneling(to_proxy: ToProxy, proxy: Proxy) -> Self {
        let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        let tunnel = match proxy.authorization() {
            Some(authorization) => tunnel.with_auth(authorization.clone()),
            None => tunnel,
        };
        Self::Tunneled(tunnel, proxy)
    }
}

impl Service<Uri> for Route {
    type Response = Line;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(direct) => direct.poll_ready(context).map_err(Into::into),
            Self::Forwarded(to_proxy, proxy) => {
                to_proxy.poll_ready(context).map_err(|cause| ProxyFailed::new(proxy, cause).into())
            }
            Self::Tunneled(tunnel, proxy) => {
                tunnel.poll_ready(context).map_err(|cause| ProxyFailed::new(proxy, cause).into())
            }
        }
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        match self {
            Self::Direct(direct) => {
                let stream = direct.call(target);
                Box::pin(async move { Ok(Line::straight(stream.await?)) })
            }
            Self::Forwarded(to_proxy, proxy) => {
                let (stream, proxy) = (to_proxy.call(proxy.uri().clone()), proxy.clone());
                Box::pin(async move {
                    let stream = stream.await.map_err(|cause| ProxyFailed::new(&proxy, cause))?;
                    Ok(Line { stream, is_forwarded: true })
                })
            }
            Self::Tunneled(tunnel, proxy) => {
                let (stream, proxy) = (tunnel.call(with_port(target)), proxy.clone());
                Box::pin(async move {
                    let stream = stream.await.map_err(|cause| ProxyFailed::new(&proxy, cause))?;
                    Ok(Line { stream, is_forwarded: false })
                })
            }
        }
    }
}

/// Returns `target` with an explicit port, because the tunnel would use 443 for `http` URLs without one.
fn with_port(target: Uri) -> Uri {
    let is_plain = target.scheme_str() == Some("http");
    let Some(host) = target.host().filter(|_| is_plain && target.port_u16().is_none()) else {
        return target;
    };
    Uri::builder()
        .scheme("http")
        .authority(format!("{host}:80"))
        .path_and_query("/")
        .build()
        .unwrap_or(target)
}

/// The error of a failed connection to or through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("{} the proxy `{proxy}`{}", attempt.0, attempt.1)]
pub(crate) struct ProxyFailed {
    /// The text of the error before and after the name of the proxy.
    attempt: (&'static str, &'static str),
    proxy: Proxy,
    #[source]
    cause: BoxError,
}

impl ProxyFailed {
    fn new(proxy: &Proxy, cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        let attempt = match cause_of(&*cause) {
            Cause::Tls => ("TLS handshake with", " failed"),
            _ => ("no connection through", ""),
        };
        Self { attempt, proxy: proxy.clone(), cause }
    }
}

/// An open connection.
pub struct Line {
    stream: Stream,
    is_forwarded: bool,
}

#[cfg(feature = "tls")]
type Stream = hyper_rustls::MaybeHttpsStream<TokioIo<TcpStream>>;
#[cfg(not(feature = "tls"))]
type Stream = TokioIo<TcpStream>;

impl Line {
    #[cfg(feature = "tls")]
    fn straight(stream: TokioIo<TcpStream>) -> Self {
        Self { stream: stream.into(), is_forwarded: false }
    }

    #[cfg(not(feature = "tls"))]
    fn straight(stream: TokioIo<TcpStream>) -> Self {
        Self { stream, is_forwarded: false }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_forwarded)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_forwarded", &self.is_forwarded).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_ends_at_the_port_of_its_scheme() {
        for (target, expected) in [
            ("http://receiver", "http://receiver:80/"),
            ("http://[::1]/v1", "http://[::1]:80/"),
            ("http://receiver:4317/", "http://receiver:4317/"),
            // The tunnel adds the default port of `https` itself.
            ("https://receiver", "https://receiver/"),
        ] {
            assert_eq!(with_port(Uri::from_static(target)).to_string(), expected);
        }
    }
}

//! A connection whose other side must not dawdle.
//!
//! hyper has one timeout for a request's head, which also ends idle connections. Scrapers keep theirs open between
//! scrapes, so the two are told apart here, and a receiver that stops reading is given up.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How long each part of a conversation may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) header: Duration,
    pub(crate) idle: Duration,
    pub(crate) write: Duration,
}

/// What a connection waits for. Shared by the stream and whoever answers its requests.
#[derive(Clone, Debug)]
pub(crate) struct Phase(Arc<AtomicU8>);

const HEADER: u8 = 0;
const ANSWER: u8 = 1;
const NEXT: u8 = 2;

impl Phase {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(HEADER)))
    }

    /// A request is complete; the next move is ours.
    pub(crate) fn request_came(&self) {
        self.0.store(ANSWER, Relaxed);
    }

    /// The answer is ready; another request may follow.
    pub(crate) fn answer_made(&self) {
        self.0.store(NEXT, Relaxed);
    }
}

/// A stream that fails when the other side takes too long.
pub(crate) struct PatientStream {
    stream: TcpStream,
    patience: Patience,
    phase: Phase,
    /// The phase for which the read timer runs.
    timed: u8,
    read_timer: Pin<Box<Sleep>>,
    /// Runs while the other side takes nothing.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl PatientStream {
    pub(crate) fn new(stream: TcpStream, phase: Phase, patience: Patience) -> Self {
        Self {
            stream,
            patience,
            phase,
            timed: HEADER,
            read_timer: Box::pin(sleep(patience.header)),
            write_timer: None,
        }
    }

    /// Lets the read timer run for `phase`, from now.
    fn time(&mut self, phase: u8) {
        let patience = if phase == NEXT { self.patience.idle } else { self.patience.header };
        self.read_timer.as_mut().reset(Instant::now() + patience);
        self.timed = phase;
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let patience = self.patience.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let phase = self.phase.0.load(Relaxed);
        if phase != self.timed {
            self.time(phase);
        }
        let before = buf.filled().len();
        if Pin::new(&mut self.stream).poll_read(cx, buf)?.is_ready() {
            if phase == NEXT && buf.filled().len() > before {
                // The next request begins: its head has as long as the first one's.
                self.phase.0.store(HEADER, Relaxed);
                self.time(HEADER);
            }
            return Poll::Ready(Ok(()));
        }
        if phase != ANSWER {
            ready!(self.read_timer.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

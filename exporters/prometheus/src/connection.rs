//! Timeouts for connections whose client is slow or idle.
//!
//! hyper's single timeout for a request's head also closes idle connections. Scrapers keep connections open between
//! scrapes, so this module distinguishes the two cases. It also closes connections whose client stops reading.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use meterkit_core::Unpoisoned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::body::ScrapeBody;

/// How many bytes of a response the client has to read for a step of progress: about one piece.
const STEP: usize = 64 * 1024;

/// How long the client may take for a step before another connection may replace this one.
const SLOW: Duration = Duration::from_millis(200);

/// The timeouts of a connection: for the head of a request, for being idle, and for a client that does not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) header: Duration,
    pub(crate) idle: Duration,
    pub(crate) write: Duration,
}

/// The event that a connection waits for, and since when. Shared by the stream and the request handler.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase began, or when the client last read part of a response.
    since: Instant,
    /// Since when the client has not read anything of a response; `None` while it reads.
    stuck: Option<Instant>,
    /// When the client last completed a [`STEP`], and how many bytes it has read since.
    step: (Instant, usize),
    /// The task that serves the connection.
    task: Option<AbortHandle>,
}

/// The event that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The head of a request.
    Head,
    /// The server's response.
    Answer,
    /// The server's response, while the next request has started to arrive.
    AnswerAhead,
    /// The next request, if any. Part of the response may still be unsent.
    Idle,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (phase, step) = (Phase::Head, (now, 0));
        let state = State { phase, since: now, stuck: None, step, task: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Sets the task that serves the connection.
    pub(crate) fn served_by(&self, task: AbortHandle) {
        self.lock().task = Some(task);
    }

    /// Returns since when the connection has waited for its client, or `None` if it must not be closed in favor of
    /// another connection.
    pub(crate) fn waits(&self) -> Option<Waiting> {
        let state = self.lock();
        state.task.as_ref()?;
        match (state.stuck, state.phase) {
            (Some(_), _) => {
                let (since, _) = state.step;
                (since.elapsed() >= SLOW).then_some(Waiting { is_within_answer: true, since })
            }
            (None, Phase::Head | Phase::Idle) => {
                Some(Waiting { is_within_answer: false, since: state.since })
            }
            (None, Phase::Answer | Phase::AnswerAhead) => None,
        }
    }

    /// Closes the connection by aborting its task.
    pub(crate) fn cut_off(&self) {
        let task = self.lock().task.take();
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Records that a request has arrived completely and the server has to respond.
    pub(crate) fn request_came(&self) {
        self.lock().begin(Phase::Answer);
    }

    /// Records that the whole response has been written and another request may follow.
    pub(crate) fn answer_made(&self) {
        let mut state = self.lock();
        let is_ahead = state.phase == Phase::AnswerAhead;
        state.begin(if is_ahead { Phase::Head } else { Phase::Idle });
    }

    /// Completes when the client has taken too long.
    ///
    /// Must be polled after the connection and in the same task, so that every change of the progress wakes it.
    pub(crate) async fn ends(self, patience: Patience) {
        let mut timer = pin!(sleep(patience.header));
        poll_fn(|cx| {
            let Some(deadline) = self.lock().deadline(patience) else {
                return Poll::Pending;
            };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(cx)
        })
        .await;
    }

    fn read(&self) {
        let mut state = self.lock();
        match state.phase {
            Phase::Answer => state.phase = Phase::AnswerAhead,
            // The next request begins; the same timeout applies to its head as to the first one's.
            Phase::Idle => state.begin(Phase::Head),
            Phase::Head | Phase::AnswerAhead => {}
        }
    }

    fn written(&self, written: &Poll<io::Result<usize>>) {
        let mut state = self.lock();
        let Poll::Ready(taken) = written else {
            state.stuck.get_or_insert_with(Instant::now);
            return;
        };
        state.stuck = None;
        state.since = Instant::now();
        state.step.1 += taken.as_ref().map_or(0, |taken| *taken);
        if state.step.1 >= STEP {
            state.step = (state.since, 0);
        }
    }

    /// Records whether a flush completed. The TLS layer buffers the part of a response that the client has not read
    /// yet, so an incomplete flush may be the only sign that the client does not read.
    fn flushed(&self, is_taken: bool) {
        let mut state = self.lock();
        if !is_taken {
            state.stuck.get_or_insert_with(Instant::now);
        } else if state.stuck.take().is_some() {
            state.since = Instant::now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unpoisoned()
    }
}

impl State {
    fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
        self.step = (self.since, 0);
    }

    fn deadline(&self, patience: Patience) -> Option<Instant> {
        match (self.stuck, self.phase) {
            (Some(stuck), _) => stuck.checked_add(patience.write),
            (None, Phase::Head) => self.since.checked_add(patience.header),
            (None, Phase::Idle) => self.since.checked_add(patience.idle),
            (None, Phase::Answer | Phase::AnswerAhead) => None,
        }
    }
}

/// A connection's wait for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Whether the client still has to read part of a response, rather than to send a request.
    pub(crate) is_within_answer: bool,
    pub(crate) since: Instant,
}

/// A response body that records when all of it has been written.
pub(crate) struct TrackedBody {
    body: ScrapeBody,
    progress: Progress,
}

impl TrackedBody {
    pub(crate) fn new(body: ScrapeBody, progress: Progress) -> Self {
        Self { body, progress }
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.progress.answer_made();
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that records the progress of its connection.
pub(crate) struct TrackedStream<S> {
    stream: S,
    progress: Progress,
}

impl<S> TrackedStream<S> {
    pub(crate) fn new(stream: S, progress: Progress) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.progress.written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.progress.written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.progress.flushed(flushed.is_ready());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

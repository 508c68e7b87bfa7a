//! The body of an answer, written piece by piece as the client takes it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use meterkit_pipeline::Endpoint;

use crate::coding::{Coding, Encoder};
use crate::exposition::Exposition;

/// The body of an answer of [`Scrape`](crate::Scrape).
///
/// A short one is whole, and its length is known. A longer one is written, and compressed, while the client takes it:
/// only the piece on its way is in memory.
pub struct ScrapeBody(State);

enum State {
    Whole(Option<Bytes>, Option<Receipt>),
    Pieces(Box<Pieces>),
}

/// Counts an answer once all of it has been handed to the connection. An answer that the client did not wait for counts
/// for nothing: neither as served, nor as a failure of ours.
pub(crate) struct Receipt {
    pub(crate) endpoint: Endpoint,
    pub(crate) points: usize,
    pub(crate) asked: Instant,
}

impl Receipt {
    pub(crate) fn sign(self) {
        self.endpoint.answered(self.points, self.asked.elapsed());
    }
}

impl ScrapeBody {
    /// Starts to write an answer. Takes as long as its first two pieces, which show whether it is a short one.
    pub(crate) fn start(
        exposition: Exposition,
        coding: Coding,
        receipt: Receipt,
    ) -> io::Result<Self> {
        let exposition = Some(exposition);
        let mut pieces = Pieces {
            exposition,
            encoder: Encoder::new(coding)?,
            first: Vec::new(),
            is_due: false,
            receipt: Some(receipt),
        };
        for _ in 0..2 {
            match pieces.write()? {
                Written::Piece(piece) => pieces.first.push(piece),
                Written::Nothing => {}
                Written::End => break,
            }
        }
        if pieces.exposition.is_none() && pieces.encoder.is_none() && pieces.first.len() < 2 {
            let whole = pieces.first.pop().unwrap_or_default();
            return Ok(Self(State::Whole(Some(whole), pieces.receipt)));
        }
        pieces.first.reverse();
        Ok(Self(State::Pieces(Box::new(pieces))))
    }

    /// Returns the length of a short body.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }
}

impl Default for ScrapeBody {
    /// Returns the body of an answer without content.
    fn default() -> Self {
        Self(State::Whole(None, None))
    }
}

impl From<&'static str> for ScrapeBody {
    fn from(words: &'static str) -> Self {
        Self(State::Whole(Some(Bytes::from_static(words.as_bytes())), None))
    }
}

impl Body for ScrapeBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            State::Whole(body, receipt) => {
                if let Some(receipt) = receipt.take() {
                    receipt.sign();
                }
                let body = body.take().filter(|body| !body.is_empty());
                Poll::Ready(body.map(|body| Ok(Frame::data(body))))
            }
            State::Pieces(pieces) => pieces.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, State::Whole(body, None) if body.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Whole(body, _) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            State::Pieces(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ScrapeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeBody").field("length", &self.length()).finish_non_exhaustive()
    }
}

struct Pieces {
    /// `None` once all of it has been written.
    exposition: Option<Exposition>,
    encoder: Option<Encoder>,
    /// What was written before the answer began, in reverse.
    first: Vec<Bytes>,
    /// Whether others had their turn since the last piece was written.
    is_due: bool,
    receipt: Option<Receipt>,
}

enum Written {
    Piece(Bytes),
    /// The encoder has kept it.
    Nothing,
    End,
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(piece) = self.first.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        // A client that reads fast would otherwise have this thread for itself until the end.
        self.is_due = !self.is_due;
        if !self.is_due {
            match self.write() {
                Ok(Written::Piece(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(Written::Nothing) => {}
                Ok(Written::End) => {
                    if let Some(receipt) = self.receipt.take() {
                        receipt.sign();
                    }
                    return Poll::Ready(None);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes the next piece.
    fn write(&mut self) -> io::Result<Written> {
        let piece = self.exposition.as_mut().and_then(Iterator::next);
        if piece.is_none() {
            self.exposition = None;
        }
        Ok(match (piece, &mut self.encoder) {
            (Some(piece), None) => Written::Piece(piece),
            (Some(piece), Some(encoder)) => {
                encoder.write(&piece)?;
                encoder.take().map_or(Written::Nothing, |piece| Written::Piece(piece.into()))
            }
            (None, encoder) => match encoder.take() {
                Some(encoder) => Written::Piece(encoder.finish()?.into()),
                None => Written::End,
            },
        })
    }
}

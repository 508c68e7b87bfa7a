//! The body of a response, written piece by piece as the client reads it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use meterkit_pipeline::Endpoint;

use crate::coding::{Coding, Encoder};

/// The body of a response of [`Scrape`](crate::Scrape) or [`LivePage`](crate::LivePage).
///
/// A short body is written at once, so its length is known. A longer body is written and compressed while the client
/// reads it, so that only the current piece is in memory.
pub struct ScrapeBody(State);

enum State {
    Whole(Option<Bytes>, Option<Receipt>),
    Pieces(Box<Pieces>),
}

/// Counts a response once all of it has been handed to the connection. A response that the client did not wait for is
/// not counted, neither as served nor as failed.
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
    /// Writes the first two pieces of a body, which show whether it is short.
    pub(crate) fn start(
        exposition: impl Iterator<Item = Bytes> + Send + 'static,
        coding: Coding,
        receipt: Option<Receipt>,
    ) -> io::Result<Self> {
        let mut pieces = Pieces {
            exposition: Some(Box::new(exposition)),
            encoder: Encoder::new(coding)?,
            first: Vec::new(),
            is_due: false,
            receipt,
        };
        for _ in 0..2 {
            match pieces.write()? {
                Written::Piece(piece) => pieces.first.push(piece),
                Written::Nothing => {}
                Written::End => break,
            }
        }
        if pieces.exposition.is_none() && pieces.encoder.is_none() {
            let whole = match &*pieces.first {
                [whole] => whole.clone(),
                parts => parts.concat().into(),
            };
            return Ok(Self(State::Whole(Some(whole), pieces.receipt)));
        }
        pieces.first.reverse();
        Ok(Self(State::Pieces(Box::new(pieces))))
    }

    /// Returns the length of a short body in bytes, or `None` for a longer body.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }
}

impl Default for ScrapeBody {
    /// Returns an empty body.
    fn default() -> Self {
        Self(State::Whole(None, None))
    }
}

impl From<Bytes> for ScrapeBody {
    fn from(words: Bytes) -> Self {
        Self(State::Whole(Some(words), None))
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
    /// `None` once all pieces have been written.
    exposition: Option<Box<dyn Iterator<Item = Bytes> + Send>>,
    encoder: Option<Encoder>,
    /// The pieces written by [`ScrapeBody::start`], last one first.
    first: Vec<Bytes>,
    /// Whether this task has yielded since the last piece was written.
    is_due: bool,
    receipt: Option<Receipt>,
}

enum Written {
    Piece(Bytes),
    /// The encoder has buffered the piece.
    Nothing,
    End,
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(piece) = self.first.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        // Yield between pieces: a fast client would otherwise occupy this thread until the end of the body.
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Waker;

    use flate2::read::GzDecoder;
    use meterkit_core::Registry;
    use meterkit_pipeline::Pipeline;

    use super::*;
    use crate::coding::CODINGS;

    const PIECE: usize = 64 * 1024;

    /// Returns pieces of text that hardly compresses, and a counter of those written so far.
    fn pieces(count: usize) -> (impl Iterator<Item = Bytes> + Send + 'static, Arc<AtomicUsize>) {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = written.clone();
        let mut seed = 1_u64;
        let pieces = (0..count).map(move |_| {
            counter.fetch_add(1, Relaxed);
            let next = |_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                b'0' + (seed >> 58) as u8
            };
            (0..PIECE).map(next).collect()
        });
        (pieces, written)
    }

    fn start(count: usize, coding: Coding) -> (ScrapeBody, Arc<AtomicUsize>, Pipeline) {
        let pipeline = Pipeline::builder(Registry::new()).unwrap().start().unwrap();
        let endpoint = pipeline.source().endpoint("scrape", "test", "here");
        let receipt = Receipt { endpoint, points: 1, asked: Instant::now() };
        let (pieces, written) = pieces(count);
        (ScrapeBody::start(pieces, coding, Some(receipt)).unwrap(), written, pipeline)
    }

    fn is_counted(pipeline: &Pipeline) -> bool {
        pipeline.health().targets[0].last_success.is_some()
    }

    async fn next(body: &mut ScrapeBody) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    async fn rest(body: &mut ScrapeBody) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(piece) = next(body).await {
            whole.extend_from_slice(&piece);
        }
        whole
    }

    fn decoded(body: &[u8], coding: Coding) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            Coding::Identity => plain.extend_from_slice(body),
            Coding::Gzip => drop(GzDecoder::new(body).read_to_end(&mut plain).unwrap()),
            #[cfg(feature = "zstd")]
            Coding::Zstd => plain = zstd::decode_all(body).unwrap(),
        }
        plain
    }

    #[tokio::test]
    async fn bodies_of_every_coding_and_length_decode_to_what_was_written() {
        for coding in CODINGS {
            for count in [0, 1, 2, 3, 20] {
                let (mut body, _, pipeline) = start(count, *coding);
                let length = body.length();
                let whole = rest(&mut body).await;
                let expected: Vec<_> = pieces(count).0.flatten().collect();
                assert!(decoded(&whole, *coding) == expected, "{coding:?} {count}");
                assert_eq!(length.is_some(), count < 2, "{coding:?} {count}");
                assert!(length.is_none_or(|length| length == whole.len() as u64));
                assert!(is_counted(&pipeline));
                assert!(next(&mut body).await.is_none());
            }
        }
    }

    #[tokio::test]
    async fn pieces_are_written_only_as_the_client_reads() {
        for coding in CODINGS {
            let (mut body, written, pipeline) = start(1000, *coding);
            assert_eq!(written.load(Relaxed), 2);
            for _ in 0..10 {
                next(&mut body).await.unwrap();
            }
            assert!(written.load(Relaxed) < 40, "{written:?}");
            drop(body);
            assert!(!is_counted(&pipeline));
        }
    }

    #[test]
    fn a_body_yields_after_each_piece() {
        for coding in CODINGS {
            let (mut body, written, _pipeline) = start(20, *coding);
            let mut cx = Context::from_waker(Waker::noop());
            let mut before = written.load(Relaxed);
            let mut turns = 0;
            loop {
                match Pin::new(&mut body).poll_frame(&mut cx) {
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(frame)) => drop(frame.unwrap()),
                    Poll::Pending => turns += 1,
                }
                let now = written.load(Relaxed);
                assert!(now - before <= 1, "{before} {now}");
                before = now;
            }
            assert!(turns >= 18, "{turns}");
        }
    }
}

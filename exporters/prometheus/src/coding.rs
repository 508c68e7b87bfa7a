//! Compression of answers, by the `Accept-Encoding` of their requests.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use crate::accept::{items, values};

/// How the body of an answer is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The codings from the most to the least preferred.
pub(crate) const CODINGS: &[Coding] = &[
    #[cfg(feature = "zstd")]
    Coding::Zstd,
    Coding::Gzip,
    Coding::Identity,
];

impl Coding {
    /// Returns the most welcome coding for a client that sent these headers, or `None` if it refuses all of them.
    ///
    /// Among equals it is the one that makes the answer smaller. `*` stands for gzip and identity only: a client that
    /// names no coding may not know zstd.
    pub(crate) fn negotiated(headers: &HeaderMap) -> Option<Self> {
        let is_given = headers.contains_key(ACCEPT_ENCODING);
        let quality = |coding: Self| {
            let named = |name| {
                let list = items(values(headers, &ACCEPT_ENCODING));
                list.filter(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.quality).max()
            };
            let any = || named("*").filter(|_| coding.is_meant_by_any());
            match coding {
                _ if !is_given => u16::from(coding == Self::Identity),
                Self::Gzip => named("gzip").max(named("x-gzip")).or_else(any).unwrap_or(0),
                // Welcome unless it is refused, but less so than what is named.
                Self::Identity => named("identity").or_else(any).unwrap_or(1),
                #[cfg(feature = "zstd")]
                Self::Zstd => named("zstd").unwrap_or(0),
            }
        };
        let mut best = (0, None);
        for &coding in CODINGS {
            let quality = quality(coding);
            if quality > best.0 {
                best = (quality, Some(coding));
            }
        }
        best.1
    }

    fn is_meant_by_any(self) -> bool {
        matches!(self, Self::Gzip | Self::Identity)
    }

    /// Returns the value of `Content-Encoding`, if there is to be one.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            #[cfg(feature = "zstd")]
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }
}

/// Compresses a body piece by piece. Fast rather than small: a scrape is read once.
pub(crate) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// Creates the encoder of a coding; `None` for identity.
    ///
    /// # Errors
    ///
    /// When memory for the encoder cannot be allocated.
    pub(crate) fn new(coding: Coding) -> io::Result<Option<Self>> {
        Ok(match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Self::Gzip(GzEncoder::new(Vec::new(), GZIP_LEVEL))),
            #[cfg(feature = "zstd")]
            Coding::Zstd => {
                Some(Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?))
            }
        })
    }

    /// Takes a piece of the body.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(piece),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.write_all(piece),
        }
    }

    /// Returns what has been compressed so far, once that is worth sending.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let out = match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.get_mut(),
        };
        (out.len() >= WORTH_SENDING).then(|| std::mem::take(out))
    }

    /// Returns the rest of the compressed body.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

const WORTH_SENDING: usize = 16 * 1024;

/// A third smaller than the fastest level, in one and a half times its time; higher ones save little more.
const GZIP_LEVEL: Compression = Compression::new(2);

#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

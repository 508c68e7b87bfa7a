//! Compression of responses, negotiated by the `Accept-Encoding` header of the request.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use crate::accept::{items, values};

/// The content coding of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// All codings, from the most to the least preferred.
pub(crate) const CODINGS: &[Coding] = &[
    #[cfg(feature = "zstd")]
    Coding::Zstd,
    Coding::Gzip,
    Coding::Identity,
];

impl Coding {
    /// Returns the coding that a client with these headers prefers, or `None` if the client refuses all of them.
    ///
    /// Among codings of equal quality, the one with the smaller response wins. `*` stands for gzip and identity only: a
    /// client that does not name zstd may not support it.
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
                // Acceptable unless refused, but ranked below every coding that is named.
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

    /// Returns the value of `Content-Encoding`; `None` for identity.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            #[cfg(feature = "zstd")]
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }
}

/// Compresses a body piece by piece. Optimized for speed rather than size, because a scrape is read only once.
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
    /// Returns an error if memory for the encoder cannot be allocated.
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

    /// Compresses a piece of the body.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(piece),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.write_all(piece),
        }
    }

    /// Returns the compressed bytes so far, once they are at least [`WORTH_SENDING`].
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

/// Minimum number of compressed bytes that are handed on at once.
const WORTH_SENDING: usize = 16 * 1024;

/// Level 2 is a third smaller than the fastest level and takes one and a half times as long; higher levels save little
/// more.
const GZIP_LEVEL: Compression = Compression::new(2);

#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

//! Compression of requests.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::HeaderValue;
use meterkit_settings::words;

/// A compression algorithm for requests.
///
/// Not every OTLP receiver accepts zstd: OpenTelemetry's specification does not require it, and some receivers accept
/// it only over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// `none`
    #[default]
    None,
    /// `gzip`
    Gzip,
    /// `zstd`, which requires the feature `zstd` of this crate.
    Zstd,
}

impl Compression {
    /// Returns whether this build supports the compression.
    pub fn is_built_in(self) -> bool {
        self != Self::Zstd || cfg!(feature = "zstd")
    }

    /// Returns the compression if this build supports it.
    ///
    /// # Errors
    ///
    /// Returns an error if this build does not support it. The error names `package`, the crate whose feature enables
    /// it.
    pub fn built_in(self, package: &'static str) -> Result<Self, CompressionError> {
        if self.is_built_in() { Ok(self) } else { Err(CompressionError::NotBuiltIn(self, package)) }
    }

    /// Returns the value of the header `Content-Encoding`, or `None` without compression.
    pub fn content_encoding(self) -> Option<HeaderValue> {
        (self != Self::None).then(|| HeaderValue::from_static(self.as_str()))
    }

    /// Compresses `plain`. Call this on a thread that may block, because it takes time.
    ///
    /// # Errors
    ///
    /// Returns an error if this build does not support the compression; see [`is_built_in`](Self::is_built_in).
    pub fn compress(self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut bytes = match self {
            Self::None => plain,
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&plain)?;
                encoder.finish()?
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::encode_all(plain.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL)?,
            #[cfg(not(feature = "zstd"))]
            Self::Zstd => return Err(io::ErrorKind::Unsupported.into()),
        };
        // Free unused memory: a request may be kept for a long time until it is answered.
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    /// Decompresses `packed` to at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the result would have more than `limit` bytes, if `packed` is not compressed with this
    /// algorithm, or if this build does not support it.
    pub fn decompress(self, packed: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let (mut plain, most) = (Vec::new(), limit as u64 + 1);
        match self {
            Self::None => packed.take(most).read_to_end(&mut plain)?,
            Self::Gzip => GzDecoder::new(packed).take(most).read_to_end(&mut plain)?,
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::Decoder::new(packed)?.take(most).read_to_end(&mut plain)?,
            #[cfg(not(feature = "zstd"))]
            Self::Zstd => return Err(io::ErrorKind::Unsupported.into()),
        };
        if plain.len() > limit {
            let reason = format!("the decompressed data has more than {limit} bytes");
            return Err(io::Error::other(reason));
        }
        Ok(plain)
    }
}

// HTTP uses the same names.
words! {
    Compression {
        Gzip = "gzip",
        Zstd = "zstd",
        None = "none",
    }
}

/// A compression that cannot be used.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// This build does not support the compression. The named crate has a feature that enables it.
    #[error("compression `{0}` is not built in; enable the feature `{0}` of {1}, or use `gzip`")]
    NotBuiltIn(Compression, &'static str),
    /// The protocol of the target does not support the compression. Contains the compression and what is supported
    /// instead.
    #[error("compression `{0}` is not supported; {1}")]
    Unsupported(Compression, &'static str),
}

meterkit_rules::debug_as_text!(CompressionError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_compression_is_read_by_its_name_in_any_case() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            assert_eq!(compression.to_string().parse(), Ok(compression));
            assert_eq!(compression.as_str().to_uppercase().parse(), Ok(compression));
        }
        let text = "deflate".parse::<Compression>().expect_err("unknown").to_string();
        assert_eq!(text, "`deflate` is unknown; write `gzip`, `zstd` or `none`");
    }

    #[test]
    fn what_was_compressed_can_be_read_again() {
        let plain = b"metrics ".repeat(1000);
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            if !compression.is_built_in() {
                continue;
            }
            let packed = compression.compress(plain.clone()).expect("in memory");
            assert_eq!(packed.len() < plain.len(), compression != Compression::None);
            let unpacked = compression.decompress(&packed, plain.len()).expect("it fits");
            assert!(unpacked == plain, "{compression}");
            let error = compression.decompress(&packed, plain.len() - 1).expect_err("one too many");
            assert!(error.to_string().contains("more than 7999 bytes"), "{error}");
        }
        assert!(Compression::Gzip.decompress(&plain, 9).is_err());
    }
}

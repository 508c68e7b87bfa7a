//! The protocol version of the receiver, detected from its responses.
//!
//! Follows the Remote-Write specification 2.0-rc.4, sections Content-Type and Required Written Response Headers.

use crate::wire::Version;

/// The knowledge so far about the protocol version of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Nothing is known yet: the next request is sent in 2.0.
    Unknown,
    /// The receiver refused a request in 2.0 without naming the version as the reason: the same request is sent in
    /// 1.0.
    Doubted,
    /// The receiver supports 2.0: it reported how much of a request it wrote.
    Two,
    /// The receiver supports 1.0 only, or the settings require 1.0.
    One,
}

impl Dialect {
    /// Returns the initial state: 1.0 permanently if it is the newest version allowed, otherwise unknown.
    pub(crate) fn new(newest: Version) -> Self {
        match newest {
            Version::V1 => Self::One,
            Version::V2 => Self::Unknown,
        }
    }

    /// Returns the version in which the next request is sent.
    pub(crate) fn to_send(self) -> Version {
        match self {
            Self::Unknown | Self::Two => Version::V2,
            Self::Doubted | Self::One => Version::V1,
        }
    }

    /// Returns the version in which batches are queued. A batch in 2.0 can be converted to 1.0 later.
    pub(crate) fn to_write(self) -> Version {
        if self == Self::One { Version::V1 } else { Version::V2 }
    }

    /// Returns whether the next response may change the dialect.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Doubted)
    }
}

//! Which version of the protocol the receiver speaks: what it was found to, from its answers.
//!
//! By the Remote-Write specification 2.0-rc.4, sections Content-Type and Required Written Response Headers.

use crate::wire::Version;

/// The protocol version that the receiver is known to understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Nothing yet: it is asked in 2.0.
    Unknown,
    /// It has refused a request in 2.0 and did not say that the version is why: it is asked the same in 1.0.
    Doubted,
    /// It said how much of a request in 2.0 it wrote.
    Two,
    /// It took 1.0 only, or the settings say so.
    One,
}

impl Dialect {
    /// Returns what to begin with: the version to find out, or 1.0 for good.
    pub(crate) fn new(newest: Version) -> Self {
        match newest {
            Version::V1 => Self::One,
            Version::V2 => Self::Unknown,
        }
    }

    /// What the next request goes out in.
    pub(crate) fn to_send(self) -> Version {
        match self {
            Self::Unknown | Self::Two => Version::V2,
            Self::Doubted | Self::One => Version::V1,
        }
    }

    /// Returns the version for batches that are stored: 1.0 can be made from 2.0.
    pub(crate) fn to_write(self) -> Version {
        if self == Self::One { Version::V1 } else { Version::V2 }
    }

    /// Whether the next answer may change it.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Doubted)
    }
}

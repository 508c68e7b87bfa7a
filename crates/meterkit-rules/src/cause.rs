//! The cause of a failed export.

use std::borrow::Cow;
use std::fmt;

/// The cause of a failed export or request, as OpenTelemetry's attribute `error.type` names it.
///
/// A failure without an answer has one of the named causes; an answer is named by its status. Specification:
/// OpenTelemetry's Semantic Conventions 1.44, "Recording errors" and "SDK metrics".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// No connection could be made, or the connection broke.
    Connect,
    /// The host name of the receiver could not be resolved.
    Dns,
    /// The connection could not be encrypted: a certificate was rejected, or one side does not speak TLS.
    Tls,
    /// The proxy did not establish a connection.
    Proxy,
    /// No answer arrived in time.
    Timeout,
    /// The receiver answered with this HTTP status.
    Http(u16),
    /// The receiver answered with this gRPC status.
    Grpc(u8),
    /// The receiver accepted the export but rejected some of its points. It may have rejected all points of the last
    /// request.
    Rejected,
    /// The target panicked.
    Panic,
    /// The pipeline ended before the export did.
    CutOff,
    /// Another cause.
    #[default]
    Other,
}

impl Cause {
    /// The gRPC status for missing or wrong credentials.
    pub const UNAUTHENTICATED: Self = Self::Grpc(16);
    /// The gRPC status for credentials that lack a permission.
    pub const PERMISSION_DENIED: Self = Self::Grpc(7);
    /// The gRPC status for a method that the server does not implement.
    pub const UNIMPLEMENTED: Self = Self::Grpc(12);
    /// The gRPC status for an entity that the server cannot find.
    pub const NOT_FOUND: Self = Self::Grpc(5);

    /// Returns the value of `error.type`, for example `connect`, `401` or `UNAVAILABLE`.
    pub fn error_type(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Timeout => "timeout",
            Self::Http(status) => return Cow::Owned(status.to_string()),
            Self::Grpc(code) => match GRPC.get(usize::from(code)) {
                Some(name) => name,
                None => return Cow::Owned(code.to_string()),
            },
            Self::Rejected => "rejected",
            Self::Panic => "panic",
            Self::CutOff => "cut_off",
            Self::Other => "_OTHER",
        })
    }

    /// Returns the value of `http.response.status_code`, if the receiver answered over HTTP.
    pub fn http_status(self) -> Option<u16> {
        match self {
            Self::Http(status) => Some(status),
            _ => None,
        }
    }

    /// Returns the value of `rpc.response.status_code`, if the receiver answered over gRPC.
    pub fn grpc_status(self) -> Option<Cow<'static, str>> {
        matches!(self, Self::Grpc(_)).then(|| self.error_type())
    }

    /// Returns whether the receiver rejects the sender rather than the data: its credentials, the URL, or its
    /// certificate. Everything sent is then rejected until somebody changes a setting.
    ///
    /// ```
    /// use meterkit_rules::Cause;
    ///
    /// assert!(Cause::Http(401).is_of_sender() && Cause::Grpc(16).is_of_sender());
    /// assert!(!Cause::Http(400).is_of_sender() && !Cause::Http(503).is_of_sender());
    /// ```
    pub fn is_of_sender(self) -> bool {
        match self {
            Self::Tls
            | Self::UNAUTHENTICATED
            | Self::PERMISSION_DENIED
            | Self::UNIMPLEMENTED
            | Self::NOT_FOUND => true,
            Self::Http(400 | 408 | 413 | 422 | 429) => false,
            Self::Http(status) => (300..500).contains(&status),
            _ => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error_type())
    }
}

/// The names of the gRPC status codes, as OpenTelemetry's conventions for gRPC write them.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_named_by_its_status() {
        for (cause, error_type, http, grpc) in [
            (Cause::Http(401), "401", Some(401), None),
            (Cause::Grpc(14), "UNAVAILABLE", None, Some("UNAVAILABLE")),
            (Cause::Grpc(99), "99", None, Some("99")),
            (Cause::Dns, "dns", None, None),
            (Cause::default(), "_OTHER", None, None),
        ] {
            assert_eq!(cause.to_string(), error_type);
            assert_eq!(cause.http_status(), http);
            assert_eq!(cause.grpc_status().as_deref(), grpc);
        }
    }

    #[test]
    fn a_receiver_refuses_the_sender_or_what_it_sent() {
        for of_sender in [301, 401, 403, 404, 405, 407, 451].map(Cause::Http) {
            assert!(of_sender.is_of_sender(), "{of_sender}");
        }
        for other in [400, 408, 413, 422, 429, 500, 503].map(Cause::Http) {
            assert!(!other.is_of_sender(), "{other}");
        }
        for (code, is_of_sender) in [(3, false), (8, false), (14, false), (7, true), (16, true)] {
            assert_eq!(Cause::Grpc(code).is_of_sender(), is_of_sender, "{code}");
        }
        assert!(Cause::Tls.is_of_sender() && !Cause::Connect.is_of_sender());
    }
}

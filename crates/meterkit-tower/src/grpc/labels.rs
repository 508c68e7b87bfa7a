//! The labels of a call.

use meterkit_core::{LabelRef, LabelValue};
use meterkit_macros::{LabelValue, Labels};

use super::status::StatusCode;

#[derive(Labels)]
#[label(crate = "meterkit_core")]
pub(crate) struct CallLabels<'a> {
    #[label(name = "rpc.system.name")]
    pub(crate) system: System,
    #[label(name = "rpc.method")]
    pub(crate) method: &'a str,
    #[label(name = "rpc.status_code")]
    pub(crate) status: Option<StatusCode>,
    #[label(name = "error.type")]
    pub(crate) error: Option<ErrorType>,
    /// Only set on clients, like `port`.
    #[label(name = "server.address")]
    pub(crate) address: Option<&'a str>,
    #[label(name = "server.port")]
    pub(crate) port: Option<u16>,
}

#[derive(Clone, Copy, LabelValue)]
#[label(crate = "meterkit_core")]
pub(crate) enum System {
    Grpc,
}

/// Why a call failed.
#[derive(Clone, Copy)]
pub(crate) enum ErrorType {
    Status(StatusCode),
    /// The service or the response body failed, so there is no status.
    Transport,
    /// The application panicked.
    Panic,
}

impl LabelValue for ErrorType {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        match self {
            Self::Status(status) => status.label(),
            Self::Transport => LabelRef::Static("transport_error"),
            Self::Panic => LabelRef::Static("panic"),
        }
    }
}

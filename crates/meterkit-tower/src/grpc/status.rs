//! The status of a call.

use http::HeaderMap;
use meterkit_macros::LabelValue;

/// gRPC's status codes, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
#[label(crate = "meterkit_core", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StatusCode {
    Ok,
    #[label(name = "CANCELLED")]
    Canceled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl StatusCode {
    /// Returns the status in trailers, or in a head that is also the trailers. As gRPC's specification requires, an
    /// undefined number is [`Unknown`](Self::Unknown).
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("grpc-status")?;
        let number = value.to_str().ok().and_then(|text| text.parse::<usize>().ok());
        Some(number.and_then(|number| ALL.get(number)).copied().unwrap_or(Self::Unknown))
    }

    /// Returns the gRPC status that clients derive from a plain HTTP response.
    pub(crate) fn of_http(status: http::StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Returns whether the status is an error of the server.
    pub(crate) fn is_server_error(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::DeadlineExceeded
                | Self::Unimplemented
                | Self::Internal
                | Self::Unavailable
                | Self::DataLoss
        )
    }
}

const ALL: [StatusCode; 17] = [
    StatusCode::Ok,
    StatusCode::Canceled,
    StatusCode::Unknown,
    StatusCode::InvalidArgument,
    StatusCode::DeadlineExceeded,
    StatusCode::NotFound,
    StatusCode::AlreadyExists,
    StatusCode::PermissionDenied,
    StatusCode::ResourceExhausted,
    StatusCode::FailedPrecondition,
    StatusCode::Aborted,
    StatusCode::OutOfRange,
    StatusCode::Unimplemented,
    StatusCode::Internal,
    StatusCode::Unavailable,
    StatusCode::DataLoss,
    StatusCode::Unauthenticated,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &'static str) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", text.parse().unwrap());
        StatusCode::of(&headers)
    }

    #[test]
    fn numbers_match_tonic() {
        for (number, code) in ALL.into_iter().enumerate() {
            let number = i32::try_from(number).unwrap();
            let names = (format!("{code:?}"), format!("{:?}", tonic::Code::from(number)));
            assert_eq!(names.0, names.1.replace("Cancelled", "Canceled"));
        }
        assert_eq!(status("0"), Some(StatusCode::Ok));
        assert_eq!(status("16"), Some(StatusCode::Unauthenticated));
    }

    #[test]
    fn an_invalid_code_is_unknown() {
        for text in ["17", "-1", "", "OK", "\u{e9}", "99999999999999999999999"] {
            assert_eq!(status(text), Some(StatusCode::Unknown), "{text:?}");
        }
        assert_eq!(StatusCode::of(&HeaderMap::new()), None);
    }
}

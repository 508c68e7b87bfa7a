//! The responses of receivers.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

/// The response to an accepted request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Number of points that the receiver rejected. They must not be sent again.
    pub(crate) rejected: u64,
    /// Why the receiver rejected points, or a warning. Empty if the receiver sent no message.
    pub(crate) message: String,
    /// Why the response could not be read.
    pub(crate) problem: Option<String>,
}

impl Accepted {
    /// Creates the result for a response that cannot be read because of `problem`. The request was accepted
    /// nevertheless, and must not be sent again.
    pub(crate) fn unreadable(problem: impl Into<String>) -> Self {
        Self { problem: Some(problem.into()), ..Self::default() }
    }
}

impl From<ExportMetricsServiceResponse> for Accepted {
    fn from(response: ExportMetricsServiceResponse) -> Self {
        let partial = response.partial_success.unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_data_points).unwrap_or_default();
        Self { rejected, message: partial.error_message, problem: None }
    }
}

/// `google.rpc.Status`, the details of an error: in the body over HTTP, and in a trailer over gRPC.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl RpcStatus {
    /// Returns the delay after which the receiver asks for a retry, if it sent one.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        let info = self.details.iter().find(|it| it.type_url.ends_with("/google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
        let seconds = u64::try_from(delay.seconds).unwrap_or_default();
        let nanos = u32::try_from(delay.nanos).unwrap_or_default().min(999_999_999);
        Some(Duration::new(seconds, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(type_url: &str, seconds: i64, nanos: i32) -> RpcStatus {
        let info = RetryInfo { retry_delay: Some(Delay { seconds, nanos }) };
        let detail = Detail { type_url: type_url.to_owned(), value: info.encode_to_vec() };
        RpcStatus { code: 8, message: "busy".to_owned(), details: vec![detail] }
    }

    #[test]
    fn a_delay_is_read_from_the_details() {
        let url = "type.googleapis.com/google.rpc.RetryInfo";
        for (seconds, nanos, expected) in [
            (3, 500_000_000, Duration::from_millis(3500)),
            (-1, -1, Duration::ZERO),
            (1, i32::MAX, Duration::new(1, 999_999_999)),
        ] {
            assert_eq!(status(url, seconds, nanos).retry_delay(), Some(expected));
        }
        assert_eq!(status("type.googleapis.com/google.rpc.Help", 3, 0).retry_delay(), None);
        assert_eq!(RpcStatus::default().retry_delay(), None);
    }
}

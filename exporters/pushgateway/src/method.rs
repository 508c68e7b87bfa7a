//! The HTTP method of pushes, which decides which metrics of the group are replaced.

use http::Method;
use meterkit_settings::words;

/// Which metrics of the group a push replaces: `METERKIT_PUSHGATEWAY_METHOD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PushMethod {
    /// `put`: a push replaces all metrics of the group.
    #[default]
    Put,
    /// `post`: a push replaces only the metrics of the group with the same names as pushed ones. Other metrics stay,
    /// including those of other processes that push to the group.
    Post,
}

words! {
    PushMethod {
        Put = "put",
        Post = "post",
    }
}

impl PushMethod {
    pub(crate) fn of_http(self) -> Method {
        match self {
            Self::Put => Method::PUT,
            Self::Post => Method::POST,
        }
    }
}

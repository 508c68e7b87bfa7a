//! What becomes of metrics that a group already has.

use http::Method;
use meterkit_settings::words;

/// What becomes of the metrics that the group already has: `METERKIT_PUSHGATEWAY_METHOD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PushMethod {
    /// `put`: a push replaces all metrics of the group.
    #[default]
    Put,
    /// `post`: a push replaces those metrics of the group that have a name of a pushed one. Others stay, among them those
    /// of other processes that push to the group.
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

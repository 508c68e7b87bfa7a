//! The part of a sender that authenticates its requests.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use meterkit_http::reply::{shown, with_causes};
use meterkit_http::{Headers, SendError, in_time};
use meterkit_rules::Cause;

use super::{CredentialsError, Hook};

/// Adds the headers of the credentials to each request, and keeps them for as long as an answer may quote them.
#[derive(Debug)]
pub(crate) struct Authenticator {
    hook: Option<Hook>,
    timeout: Option<Duration>,
    /// The setting that changes the timeout.
    setting: &'static str,
    /// The headers that it added to the last request.
    added: Headers,
    is_checked: bool,
}

impl Authenticator {
    pub(crate) fn new(
        hook: Option<Hook>,
        timeout: Option<Duration>,
        setting: &'static str,
    ) -> Self {
        Self { hook, timeout, setting, added: Headers::default(), is_checked: false }
    }

    /// Returns what the last request carried that must not be shown, if it had the headers `common` too.
    pub(crate) fn secrets(&self, common: &Headers) -> Headers {
        common.with(&self.added)
    }

    /// Adds the headers of the credentials to `request`. Errors do not quote `common`, the headers of every request.
    ///
    /// # Errors
    ///
    /// The credentials could not be fetched. The request can be sent later.
    pub(crate) async fn authenticate(
        &mut self,
        request: &mut Request<Bytes>,
        common: &Headers,
    ) -> Result<(), SendError> {
        let Some(hook) = &self.hook else {
            return Ok(());
        };
        let headers = in_time(self.timeout, self.setting, hook.0.headers(request)).await;
        let headers = headers.unwrap_or_else(|error| Err(CredentialsError::from(error)));
        let headers = headers.map_err(|error| {
            let reason = common.redact(&with_causes(&*error));
            let reason = format!("no credentials to send with: {}", shown(&reason));
            SendError::no_answer(Cause::Other, reason, false)
        })?;
        // The first ones show whether credentials can be read on their way.
        let headers = match std::mem::replace(&mut self.is_checked, true) {
            false => headers.sent_to(request.uri(), None),
            true => headers,
        };
        for (name, value) in headers.as_map() {
            request.headers_mut().insert(name, value.clone());
        }
        self.added = headers;
        Ok(())
    }

    /// Returns whether to send the request again, since the credentials may have others by now.
    pub(crate) fn is_refreshed(&self, error: &SendError, answer: &HeaderMap) -> bool {
        match (&self.hook, error.status) {
            (Some(hook), Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))) => {
                hook.0.rejected(status, answer)
            }
            _ => false,
        }
    }
}

//! Authentication of requests, which both senders share.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use meterkit_http::reply::{shown, with_causes};
use meterkit_http::{Headers, SendError, in_time};
use meterkit_rules::Cause;

use super::{CredentialsError, Hook};

/// Adds the headers of the credentials to each request, and keeps them so that they can be redacted in responses.
#[derive(Debug)]
pub(crate) struct Authenticator {
    hook: Option<Hook>,
    timeout: Option<Duration>,
    /// The name of the setting for the timeout.
    setting: &'static str,
    /// The headers that were added to the last request.
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

    /// Returns all headers of the last request whose values must not be shown: `common` and those of the credentials.
    pub(crate) fn secrets(&self, common: &Headers) -> Headers {
        common.with(&self.added)
    }

    /// Adds the headers of the credentials to `request`. Errors do not quote `common`, the headers of every request.
    ///
    /// # Errors
    ///
    /// Returns an error if the credentials could not be fetched. The request can be sent later.
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
            let reason = format!("the credentials for the request are missing: {}", shown(&reason));
            SendError::no_answer(Cause::Other, reason, false)
        })?;
        // Check the first headers only: this logs whether credentials are sent in clear text.
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

    /// Returns whether to send the request again, because the credentials may return other headers by now.
    pub(crate) fn is_refreshed(&self, error: &SendError, answer: &HeaderMap) -> bool {
        match (&self.hook, error.status) {
            (Some(hook), Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))) => {
                hook.0.rejected(status, answer)
            }
            _ => false,
        }
    }
}

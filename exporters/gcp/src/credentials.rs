//! Application default credentials, and requests for tokens.
//!
//! Follows "How Application Default Credentials works" in Google's documentation, and AIP-4110 to AIP-4115. Existing
//! crates do not fit: `google-cloud-auth` requires Rust 1.91, `reqsign-google` depends on an RSA implementation with an
//! open advisory, and `gcp_auth` supports neither dropping a rejected token nor `GCE_METADATA_HOST`.

mod access;
mod account;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use meterkit_otlp::{Cached, Credentials, CredentialsError, Headers, HeadersFuture};

pub(crate) use self::access::Access;
use self::account::Account;

/// Finds credentials, and fetches and caches tokens for them.
#[derive(Debug)]
pub(crate) struct GcpCredentials {
    access: Access,
    quota_project: Option<String>,
    tokens: Cached<Token>,
}

/// A token, and the project that is billed for its use.
#[derive(Clone)]
pub(crate) struct Token {
    text: String,
    quota_project: Option<String>,
}

impl GcpCredentials {
    pub(crate) fn new(access: Access, quota_project: Option<String>) -> Self {
        Self { access, quota_project, tokens: Cached::default() }
    }

    /// Returns the project that the credentials belong to.
    pub(crate) async fn project(&self) -> Result<String, CredentialsError> {
        Account::find(&self.access).await?.project(&self.access).await
    }
}

impl Credentials for GcpCredentials {
    fn headers<'a>(&'a self, _: &'a Request<Bytes>) -> HeadersFuture<'a> {
        Box::pin(async {
            // Read files again, because a login or a key may have been replaced.
            let fetch = async { Account::find(&self.access).await?.token(&self.access).await };
            let token = self.tokens.get_or_fetch(fetch).await?;
            let mut headers = Headers::default();
            headers.insert("Authorization", format!("Bearer {}", token.text).as_bytes())?;
            if let Some(project) = self.quota_project.as_ref().or(token.quota_project.as_ref()) {
                headers.insert("x-goog-user-project", project.as_bytes())?;
            }
            Ok(headers)
        })
    }

    fn rejected(&self, status: StatusCode, _: &HeaderMap) -> bool {
        // After 403, another token of the same account would not have more permissions.
        status == StatusCode::UNAUTHORIZED && self.tokens.forget()
    }
}

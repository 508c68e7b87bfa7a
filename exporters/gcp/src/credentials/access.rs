//! Access of credentials to variables, files and servers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use meterkit_http::reply::quoted;
use meterkit_http::{Client, Headers, Proxies, Transport};
use meterkit_otlp::CredentialsError;
use meterkit_settings::read_small_file;
use serde_json::Value;

type Variable = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Access to the variables of a process, to files and to servers.
#[derive(Clone)]
pub(crate) struct Access {
    variable: Variable,
    proxies: Option<Proxies>,
}

/// Maximum size of a file with credentials, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Timeout of the metadata server. Short, because it is on the same machine if it exists.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout of other servers.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Access {
    pub(crate) fn of_process(proxies: Option<Proxies>) -> Self {
        Self { variable: Arc::new(|name| std::env::var(name).ok()), proxies }
    }

    #[cfg(test)]
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { variable: Arc::new(variable), proxies: None }
    }

    /// Returns the value of a variable, unless it is empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// Reads a JSON file.
    pub(crate) async fn file(&self, path: &Path) -> Result<Value, CredentialsError> {
        let name = path.display().to_string();
        let path = PathBuf::from(path);
        let read = tokio::task::spawn_blocking(move || read_small_file(&path, MOST_BYTES)).await?;
        let bytes = read.map_err(|error| format!("file `{name}` cannot be read ({error})"))?;
        // Do not return the error of the parser, which may quote the file.
        serde_json::from_slice(&bytes).map_err(|_| format!("file `{name}` is not JSON").into())
    }

    /// Requests a value from the metadata server.
    pub(crate) async fn metadata(&self, path: &str) -> Result<Bytes, CredentialsError> {
        let host = self.variable("GCE_METADATA_HOST");
        let host = host.as_deref().unwrap_or("metadata.google.internal");
        let uri: Uri = format!("http://{host}/computeMetadata/v1/{path}").parse()?;
        let request = Request::builder().uri(&uri).header("Metadata-Flavor", "Google");
        // No proxy can reach the metadata server.
        let transport = Transport::default().with_timeout(METADATA_TIMEOUT);
        let request = request.body(Bytes::new())?;
        let outcome = send(&uri, request, &transport, &Headers::default()).await;
        outcome
            .map_err(|error| format!("the request to the metadata server failed: {error}").into())
    }

    /// Sends a form and returns the response, which contains a token. Errors quote the response without the secret
    /// fields of the form.
    pub(crate) async fn form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<Bytes, CredentialsError> {
        let uri: Uri = url.parse()?;
        let mut secrets = Headers::default();
        let encoded =
            |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let mut pairs = Vec::new();
        for (name, value) in fields {
            // The values of `grant_type` are constants that errors may quote.
            if *name != "grant_type" {
                secrets.insert(name, value.as_bytes())?;
            }
            pairs.push(format!("{name}={}", encoded(value)));
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri(&uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(pairs.join("&")))?;
        let mut transport = Transport::default().with_timeout(TIMEOUT);
        if let Some(proxies) = &self.proxies {
            transport = transport.with_proxies(proxies.clone());
        }
        let outcome = send(&uri, request, &transport, &secrets).await;
        outcome.map_err(|error| format!("no token from `{url}`: {error}").into())
    }
}

async fn send(
    uri: &Uri,
    request: Request<Bytes>,
    transport: &Transport,
    secrets: &Headers,
) -> Result<Bytes, CredentialsError> {
    let reply = Client::new(uri, transport)?.request(request).await?;
    if reply.status().is_success() {
        return Ok(reply.into_body());
    }
    let status = reply.status();
    let message = String::from_utf8_lossy(reply.body());
    Err(quoted(format_args!("HTTP status {status}"), &message, secrets).into())
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use meterkit_fakes::raw::RawServer;

    use super::*;

    #[tokio::test]
    async fn metadata_are_requested_without_a_proxy_and_tokens_through_it() {
        let saying = |body: &str| {
            let length = body.len();
            RawServer::saying(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"))
        };
        let (server, proxy) = (saying("metadata").await, saying("token").await);
        let proxies = Proxies::default().with_http(&format!("http://{}", proxy.address()));
        let host = server.address().to_string();
        let variable = move |name: &str| (name == "GCE_METADATA_HOST").then(|| host.clone());
        let access = Access { proxies: Some(proxies.unwrap()), ..Access::of(variable) };
        assert_eq!(access.metadata("project/project-id").await.unwrap(), "metadata");
        assert_eq!(proxy.heads(), Vec::<String>::new());
        let fields = [("grant_type", "refresh_token")];
        assert_eq!(access.form("http://tokens.test/token", &fields).await.unwrap(), "token");
        assert_eq!(proxy.heads().len(), 1);
    }
}

//! Access of the sources of credentials to files and services.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use meterkit_http::{Client, Headers, Proxies, Transport};
use meterkit_settings::read_small_file;
use reqsign_core::{Context, Env, Error, FileRead, HttpSend, Result};

/// Returns a context with access to `environment`, files and services, but not to other processes.
pub(crate) fn context(environment: impl Env, proxies: Option<Proxies>) -> Context {
    Context::new().with_env(environment).with_file_read(Files).with_http_send(Services { proxies })
}

/// Maximum size of a file with credentials, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Timeout of metadata services. Short, because they are on the same machine if they exist.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout of other services.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> Result<Vec<u8>> {
        let path = PathBuf::from(path);
        let read = tokio::task::spawn_blocking(move || read_small_file(&path, MOST_BYTES)).await;
        let read = read.map_err(|error| Error::unexpected(error.to_string()))?;
        read.map_err(|error| Error::config_invalid(error.to_string()))
    }
}

/// Services that hand out credentials. Services without TLS are metadata services, which no proxy can reach.
#[derive(Debug)]
struct Services {
    proxies: Option<Proxies>,
}

impl HttpSend for Services {
    async fn http_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let is_public = request.uri().scheme_str() == Some("https");
        let transport = match (is_public, &self.proxies) {
            (false, _) => Transport::default().with_timeout(METADATA_TIMEOUT),
            (true, None) => Transport::default().with_timeout(TIMEOUT),
            (true, Some(proxies)) => {
                Transport::default().with_timeout(TIMEOUT).with_proxies(proxies.clone())
            }
        };
        let client = Client::new(request.uri(), &transport);
        let client = client.map_err(|error| Error::unexpected(error.to_string()))?;
        // The query may contain a token. With headers set, the client redacts it in errors.
        let client = client.with_headers(Headers::default(), "meterkit");
        client.request(request).await.map_err(|error| Error::unexpected(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use meterkit_fakes::raw::RawServer;

    use super::*;

    #[tokio::test]
    async fn metadata_services_are_reached_without_a_proxy_and_public_ones_through_it() {
        let server = RawServer::accepting().await;
        let proxy = RawServer::saying("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        let url = format!("http://{}", proxy.address());
        let proxies = Proxies::default().with_http(&url).and_then(|it| it.with_https(&url));
        let services = Services { proxies: Some(proxies.unwrap()) };
        let send = |url: String| services.http_send(Request::get(url).body(Bytes::new()).unwrap());
        let reply = send(format!("http://{}/latest/api/token", server.address())).await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        assert_eq!(proxy.heads(), Vec::<String>::new());
        let error = send("https://sts.eu-west-1.amazonaws.com/".to_owned()).await.unwrap_err();
        assert!(error.to_string().contains(&format!("the proxy `{url}`")), "{error}");
        assert!(proxy.heads()[0].starts_with("CONNECT sts.eu-west-1.amazonaws.com:443 "));
    }
}

//! Groups of metrics on a push gateway: their URLs and labels, and their deletion.
//!
//! Follows the documentation of Prometheus' Pushgateway, sections URL and `DELETE` method.

use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Uri};
use meterkit_core::Unpoisoned;
use meterkit_http::{Client, SendError, reply, url};
use meterkit_pipeline::ExportError;

use crate::settings::TRANSPORT;

/// A handle to the group that a target pushes to, which stays usable after the target is handed to the pipeline. Clones
/// refer to the same group.
///
/// ```no_run
/// use meterkit_pushgateway::{PushgatewayConfig, PushgatewayTarget};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = PushgatewayConfig::new("http://pushgateway:9091")?.with_job("nightly-import")?;
/// let target = PushgatewayTarget::new(config)?;
/// let group = target.group();
/// // Hand the target to a pipeline, do the work, and shut the pipeline down. Once the metrics are no longer needed:
/// group.delete().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PushgatewayGroup {
    pub(crate) client: Client,
    /// The URL of the group. `None` until the first push, unless the settings contain the job.
    pub(crate) url: Arc<Mutex<Option<Uri>>>,
}

impl PushgatewayGroup {
    /// Deletes the group with all its metrics from the gateway. A later push creates it again.
    ///
    /// Does nothing if the job comes from the resource and nothing has been pushed yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway does not confirm the deletion.
    pub async fn delete(&self) -> Result<(), ExportError> {
        let Some(uri) = self.url.lock().unpoisoned().clone() else { return Ok(()) };
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = uri;
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<(), ExportError> {
        let reply = self.client.request(request).await;
        let reply = reply.map_err(|error| self.failure(error))?;
        if reply.status().is_success() {
            return Ok(());
        }
        Err(self.failure(SendError::of(&reply, &reply::message(&reply), &self.client.secrets())))
    }

    fn failure(&self, error: SendError) -> ExportError {
        let error = error.with_advice(TRANSPORT.hints(), self.client.receiver());
        ExportError::new(error.is_retryable(), error.reason)
            .with_retry_after(error.retry_after)
            .with_cause(error.cause)
    }
}

/// Leaves out the query of the URL, which may contain a token.
impl fmt::Debug for PushgatewayGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.lock().unpoisoned().as_ref().map(|it| url::shown(&it.to_string()));
        f.debug_struct("PushgatewayGroup").field("url", &url).field("client", &self.client).finish()
    }
}

/// Returns the URL of the group with this job and these labels at `gateway`, or `None` if it is not a valid URL.
pub(crate) fn group_url(gateway: &Uri, job: &str, labels: &[(String, String)]) -> Option<Uri> {
    let mut path = "/metrics".to_owned();
    for (name, value) in
        std::iter::once(("job", job)).chain(labels.iter().map(|(k, v)| (&**k, &**v)))
    {
        path += "/";
        path += name;
        // Use base64, because servers and proxies rewrite paths with dots, and decode percent-escapes too early.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        if value.chars().all(is_plain) && !value.chars().all(|c| c == '.') {
            path += "/";
            path += value;
        } else {
            path += "@base64/";
            path += &URL_SAFE_NO_PAD.encode(value);
            // An empty segment would not be part of the path.
            path += if value.is_empty() { "=" } else { "" };
        }
    }
    url::append(gateway, &path).parse().ok()
}

/// Returns why a group cannot have a label with this name, or `None` if it can.
pub(crate) fn label_problem(name: &str) -> Option<String> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_legal =
        name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    let problem = match name {
        _ if !is_legal => "is not a valid label name; write letters, digits and `_`",
        "job" => "is set by a separate setting for the job",
        "le" | "quantile" => {
            "is reserved for the buckets and quantiles of metrics; choose another name"
        }
        _ if name.starts_with("__") => {
            "is reserved by Prometheus; choose a name that does not begin with `__`"
        }
        _ if name.starts_with("otel_scope_") => {
            "is reserved for the scopes of metrics; choose a name that does not begin with `otel_scope_`"
        }
        _ => return None,
    };
    Some(format!("label `{name}` {problem}"))
}

/// Returns why these cannot be the labels of a group, or `None` if they can.
pub(crate) fn labels_problem(labels: &[(String, String)]) -> Option<String> {
    labels.iter().enumerate().find_map(|(at, (name, _))| {
        let is_twice = labels[..at].iter().any(|(other, _)| other == name);
        let twice = is_twice.then(|| format!("label `{name}` occurs twice; remove one"));
        label_problem(name).or(twice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(job: &str, labels: &[(&str, &str)]) -> String {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let gateway = Uri::from_static("http://gateway:9091/prefix/?token=1");
        let url = group_url(&gateway, job, &labels).expect("a URL").to_string();
        let path = url.strip_prefix("http://gateway:9091/prefix/metrics/");
        path.and_then(|path| path.strip_suffix("?token=1")).expect(&url).to_owned()
    }

    #[test]
    fn values_that_a_path_cannot_contain_are_encoded() {
        for (job, labels, expected) in [
            ("shop", &[][..], "job/shop"),
            (
                "nightly-import_2.0~",
                &[("instance", "10.0.0.1")],
                "job/nightly-import_2.0~/instance/10.0.0.1",
            ),
            // The examples from the documentation.
            (
                "directory_cleaner",
                &[("path", "/var/tmp")],
                "job/directory_cleaner/path@base64/L3Zhci90bXA",
            ),
            ("titan", &[("name", "Προμηθεύς")], "job/titan/name@base64/zqDPgc6_zrzOt864zrXPjc-C"),
            ("titan", &[("empty", "")], "job/titan/empty@base64/="),
            ("a b", &[("x", "100%")], "job@base64/YSBi/x@base64/MTAwJQ"),
            ("..", &[("x", ".")], "job@base64/Li4/x@base64/Lg"),
            ("a?b#c", &[("host", "h:9")], "job@base64/YT9iI2M/host@base64/aDo5"),
        ] {
            assert_eq!(path(job, labels), expected);
        }
    }

    #[test]
    fn labels_that_would_be_lost_or_refused_are_problems() {
        for (name, problem) in [
            ("a-b", "is not a valid label name"),
            ("", "is not a valid label name"),
            ("9", "is not a valid label name"),
            ("job", "is set by a separate setting"),
            ("le", "is reserved for the buckets"),
            ("__x", "is reserved by Prometheus"),
            ("otel_scope_name", "is reserved for the scopes"),
        ] {
            let found = label_problem(name).unwrap_or_else(|| panic!("{name}"));
            assert!(found.starts_with(&format!("label `{name}` {problem}")), "{found}");
        }
        assert_eq!(label_problem("instance"), None);
        let twice = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
        assert_eq!(labels_problem(&twice).as_deref(), Some("label `a` occurs twice; remove one"));
    }
}

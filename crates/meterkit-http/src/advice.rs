//! Advice for users whose requests fail or are refused.

use http::Uri;
use meterkit_rules::Cause;

use crate::send_error::{SendError, SendErrorKind};
use crate::transport::TransportHints;

impl SendError {
    /// Adds advice to the text of the error, such as the setting to check, or the reason why samples are refused.
    /// `receiver` is the URL to which the request was sent.
    ///
    /// Targets call this for each error that they report.
    ///
    /// ```
    /// use http::Uri;
    /// use meterkit_http::{Headers, Reply, SendError, TransportHints};
    ///
    /// let mut reply = Reply::default();
    /// *reply.status_mut() = http::StatusCode::UNAUTHORIZED;
    /// let hints = TransportHints { credentials: &["MY_TOKEN"], ..Default::default() };
    /// let receiver = Uri::from_static("https://receiver/v1/metrics");
    /// let error = SendError::of(&reply, "", &Headers::default()).with_advice(hints, &receiver);
    /// assert_eq!(error.reason, "HTTP status 401 Unauthorized; check the credentials in `MY_TOKEN`");
    /// ```
    #[must_use]
    pub fn with_advice(mut self, hints: TransportHints, receiver: &Uri) -> Self {
        let said = self.reason.to_ascii_lowercase();
        let advice = if says(&said, WANTS_TLS) {
            // The status may blame the content, but the receiver would not accept any other content either.
            self.kind = SendErrorKind::Denied;
            Some("port {port} expects TLS: use `https://` in {endpoint}".to_owned())
        } else {
            protocol(self.cause, &said, hints, receiver)
                .or_else(|| explanation(&said).map(str::to_owned))
                .or_else(|| setting(self.cause, &said, hints, receiver))
        };
        if let Some(advice) = advice {
            // The receiver's text may be a sentence. It ends with "..." if it was cut off.
            let is_sentence = self.reason.ends_with('.') && !self.reason.ends_with("..");
            let end = self.reason.len() - usize::from(is_sentence);
            self.reason.truncate(end);
            self.reason += "; ";
            self.reason += &filled_in(&advice, hints, receiver);
        }
        self
    }
}

/// Returns which setting to check after an answer with this status, or if no receiver was reached.
fn setting(cause: Cause, said: &str, hints: TransportHints, receiver: &Uri) -> Option<String> {
    let TransportHints { credentials, endpoint, paths, .. } = hints;
    match cause {
        Cause::Http(401) | Cause::UNAUTHENTICATED => {
            named(credentials, "check the credentials in ", "")
        }
        Cause::Http(403) | Cause::PERMISSION_DENIED => {
            named(credentials, "check that the credentials in ", " may write metrics")
        }
        Cause::Http(404 | 405) | Cause::UNIMPLEMENTED => {
            if let Some(path) = paths.iter().find(|path| receiver.path().ends_with(&path.repeat(2)))
            {
                let added = format!(" without `{path}`, which is added to it");
                return named(&[endpoint], "write the URL in ", &added);
            }
            let is_usual = paths.iter().any(|path| receiver.path().ends_with(path));
            let usual: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
            let usual = match is_usual || usual.is_empty() || hints.is_grpc {
                true => String::new(),
                false => format!(", which usually ends with {}", usual.join(" or ")),
            };
            named(&[endpoint], "check the URL in ", &usual)
        }
        Cause::Connect if says(said, NOBODY_LISTENS) => Some(
            "nothing listens on port {port} there: start the receiver, or check the URL in {endpoint}".to_owned(),
        ),
        Cause::Dns => named(&[endpoint], "check the host in ", ""),
        Cause::Proxy => {
            Some("check the proxy in {proxy}, or name the host in `NO_PROXY`".to_owned())
        }
        _ => None,
    }
}

/// Returns what to do if the two sides speak different protocols.
fn protocol(cause: Cause, said: &str, hints: TransportHints, receiver: &Uri) -> Option<String> {
    let is_plain = receiver.scheme_str() != Some("https");
    let is_usual_port = receiver.port_u16() == Some(4318);
    let advice = match cause {
        Cause::Tls if says(said, SPEAKS_NO_TLS) => {
            "port {port} does not speak TLS: use `http://` in {endpoint}, or the port for TLS"
        }
        Cause::Tls if hints.is_grpc && says(said, SPEAKS_NO_GRPC) => SPEAKS_HTTP,
        Cause::Connect if hints.is_grpc && says(said, SPEAKS_NO_GRPC) => SPEAKS_HTTP,
        // An HTTP/1.1 server may close the connection before its answer is read.
        Cause::Connect if hints.is_grpc && is_plain && is_usual_port && says(said, HUNG_UP) => {
            SPEAKS_HTTP
        }
        // A gRPC server answers with a gRPC status, so this is not one.
        Cause::Http(200 | 404 | 405 | 415) if hints.is_grpc => SPEAKS_HTTP,
        Cause::Connect if !hints.is_grpc && says(said, SPEAKS_NO_HTTP) => {
            match (hints.protocol, receiver.port_u16()) {
                ("", _) if is_plain => {
                    "port {port} does not speak HTTP: check the URL in {endpoint}, or use `https://` if the port expects \
                     TLS"
                }
                ("", _) => "port {port} does not speak HTTP/1.1: check the URL in {endpoint}",
                (_, Some(4317)) => {
                    "port 4317 speaks gRPC, and the protocol is HTTP: use 4318, or set {protocol} to `grpc`"
                }
                _ => {
                    "port {port} does not speak HTTP/1.1, which is the protocol: use the port for HTTP, or set {protocol} to \
                     `grpc` if it is that for gRPC"
                }
            }
        }
        Cause::Connect if says(said, HUNG_UP) => match (hints.protocol, is_plain) {
            // Any receiver may close a connection, so this is worded for one that never answers.
            ("", true) => {
                "the receiver closed the connection without an answer: if port {port} expects TLS, use `https://` in \
                 {endpoint}"
            }
            ("", false) => return None,
            (_, true) if hints.is_grpc => {
                "the receiver closed the connection without an answer: if port {port} speaks HTTP, set {protocol} to \
                 `http/protobuf`, and if it expects TLS, use `https://` in {endpoint}"
            }
            (_, true) => {
                "the receiver closed the connection without an answer: if port {port} speaks gRPC, set {protocol} to \
                 `grpc`, and if it expects TLS, use `https://` in {endpoint}"
            }
            (_, false) if hints.is_grpc => return None,
            (_, false) => {
                "the receiver closed the connection without an answer: if port {port} speaks gRPC, set {protocol} to \
                 `grpc`"
            }
        },
        _ => return None,
    };
    Some(match advice == SPEAKS_HTTP && is_usual_port {
        true => format!("port 4318 {advice}, and the protocol is grpc: use 4317, {OR_SET}"),
        false if advice == SPEAKS_HTTP => {
            format!(
                "port {{port}} {advice}, and the protocol is grpc: use the port for gRPC, {OR_SET}"
            )
        }
        false => advice.to_owned(),
    })
}

const SPEAKS_HTTP: &str = "speaks HTTP";
const OR_SET: &str = "or set {protocol} to `http/protobuf`";

/// Answers of HTTPS servers (Go, nginx and Apache) to a request without TLS.
const WANTS_TLS: &[&str] = &[
    "http request to an https server",
    "plain http request was sent to https port",
    "speaking plain http to an ssl-enabled server port",
];

/// Errors of operating systems for a port on which nothing listens.
const NOBODY_LISTENS: &[&str] = &["connection refused", "actively refused"];

/// Errors of rustls when the first bytes of an answer are plain text instead of TLS.
const SPEAKS_NO_TLS: &[&str] = &["invalidcontenttype", "invalid content type"];

/// Errors of an HTTP/2 client when the answer is HTTP/1.1 text, or when the server refuses HTTP/2 in the TLS handshake.
const SPEAKS_NO_GRPC: &[&str] = &["frame with invalid size", "noapplicationprotocol"];

/// Errors of an HTTP/1.1 client that receives HTTP/2 frames, before or after it sent the request, or a TLS alert.
const SPEAKS_NO_HTTP: &[&str] = &["received unexpected message from connection", "invalid http"];

/// Errors for a closed connection. Go servers close a connection if only one side uses TLS.
const HUNG_UP: &[&str] = &[
    "connection closed before message completed",
    "operation was canceled",
    "closed because of a broken pipe",
    "connection reset",
    "channel closed",
];

/// Returns whether the text of an error contains one of these texts.
fn says(said: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| said.contains(text))
}

/// Returns `advice` with the placeholders replaced by the names of settings and the port.
fn filled_in(advice: &str, hints: TransportHints, receiver: &Uri) -> String {
    let setting = |name: &str, otherwise: &str| match name {
        "" => otherwise.to_owned(),
        name => format!("`{name}`"),
    };
    let default = if receiver.scheme_str() == Some("https") { 443 } else { 80 };
    let credentials = hints.credentials.first().copied().unwrap_or_default();
    let of_everyone = "`HTTPS_PROXY` or `HTTP_PROXY`";
    let proxy = match hints.proxy {
        "" => of_everyone.to_owned(),
        own => format!("`{own}`, {of_everyone}"),
    };
    advice
        .replace("{port}", &receiver.port_u16().unwrap_or(default).to_string())
        .replace("{endpoint}", &setting(hints.endpoint, "the URL"))
        .replace("{protocol}", &setting(hints.protocol, "the protocol"))
        .replace("{certificate}", &setting(hints.certificate, "the transport's authorities"))
        .replace(
            "{identity}",
            &setting(hints.client_certificate, "the transport's client certificate"),
        )
        .replace("{credentials}", &setting(credentials, "the headers"))
        .replace("{proxy}", &proxy)
}

/// Returns advice that names `settings`, or `None` if all names are empty.
fn named(settings: &[&str], before: &str, after: &str) -> Option<String> {
    let settings = settings.iter().filter(|setting| !setting.is_empty());
    let settings: Vec<_> = settings.map(|setting| format!("`{setting}`")).collect();
    (!settings.is_empty()).then(|| format!("{before}{}{after}", settings.join(" or ")))
}

/// Returns an explanation and a remedy for the text of a failed connection or a refused request.
///
/// The text is needed because Prometheus, Mimir and VictoriaMetrics have no specific status for refused samples.
fn explanation(said: &str) -> Option<&'static str> {
    EXPLANATIONS.iter().find(|(texts, _)| says(said, texts)).map(|(_, explanation)| *explanation)
}

/// Texts of receivers and rustls with their explanations. The first match applies: Prometheus also reports a time in
/// the future as "out of bounds".
const EXPLANATIONS: [(&[&str], &str); 14] = [
    (
        &["unknownissuer", "peer certificate: badsignature"],
        "the receiver's certificate is self-signed, or issued by an authority that is not trusted here: name a file \
         with the authority's certificate in {certificate}",
    ),
    (
        &["causedasendentity"],
        "the receiver uses the certificate of an authority as its own, which `openssl req -x509` creates by default: \
         create one with `basicConstraints=CA:FALSE`, and name that in {certificate}",
    ),
    (
        &["notvalidforname", "certificate not valid for name"],
        "the receiver's certificate is for another host: use a host name of the certificate in {endpoint}",
    ),
    (
        &["certificate expired", "peer certificate: expired"],
        "the receiver's certificate has expired, or the clock of this machine is ahead: renew the certificate, or \
         correct the clock",
    ),
    (
        &["certificate not valid yet", "notvalidyet"],
        "the clock of this machine is behind, or the receiver's certificate is not valid yet: correct the clock",
    ),
    (
        &["fatal alert: certificaterequired", "no required ssl certificate was sent"],
        "the receiver asks for a client certificate: name one in {identity}",
    ),
    (
        &[
            "fatal alert: unknownca",
            "fatal alert: badcertificate",
            "fatal alert: certificateunknown",
        ],
        "the receiver refuses or requires a client certificate: check {identity}, and which authorities the receiver \
         trusts",
    ),
    (
        &["no org id", "no tenant"],
        "the receiver has several tenants and must be told which one: set the header `X-Scope-OrgID`, in \
         {credentials} or at a gateway before it",
    ),
    (
        &["requesttimetooskewed", "signature expired", "signature not yet current"],
        "the clock of this machine differs from the receiver's: synchronize it",
    ),
    (
        &["because the host is not found", "invalid instance id"],
        "the instance ID is not one of this zone: check {endpoint} against the details of the stack",
    ),
    (
        &["too far in the future", "too-far-in-future"],
        "the clock of this machine is ahead of the receiver's: synchronize both",
    ),
    (
        &["duplicate sample", "duplicate-timestamp"],
        "another process writes the same series: give each process its own `service.instance.id`",
    ),
    (
        &["out of order", "out-of-order"],
        "another process writes the same series, or the clock of this machine was set back: give each process its own \
         `service.instance.id`, and let the receiver accept late samples (`out_of_order_time_window`)",
    ),
    (
        &["out of bounds", "too old", "too-old"],
        "the samples are older than the receiver accepts: the clock of this machine is behind, or they waited for too \
         long; let the receiver accept late samples (`out_of_order_time_window`)",
    ),
];

#[cfg(test)]
mod tests;

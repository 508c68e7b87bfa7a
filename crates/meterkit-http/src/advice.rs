//! What users can do about a request that was refused.

use http::Uri;
use meterkit_rules::Cause;

use crate::send_error::{SendError, SendErrorKind};
use crate::transport::TransportHints;

impl SendError {
    /// Adds what users can do to the text of the error: the setting to check, or what refused samples have in common.
    /// `receiver` is the URL that the request was sent to.
    ///
    /// A target calls this for each error that it reports.
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
            // Some send a status for bad content, which this is not: no other content is accepted either.
            self.kind = SendErrorKind::Denied;
            Some("port {port} expects TLS: use `https://` in {endpoint}".to_owned())
        } else {
            protocol(self.cause, &said, hints, receiver)
                .or_else(|| explanation(&said).map(str::to_owned))
                .or_else(|| setting(self.cause, hints, receiver))
        };
        if let Some(advice) = advice {
            self.reason = format!("{}; {}", self.reason, filled_in(&advice, hints, receiver));
        }
        self
    }
}

/// Returns which setting to check after an answer with this status.
fn setting(cause: Cause, hints: TransportHints, receiver: &Uri) -> Option<String> {
    let TransportHints { credentials, endpoint, paths, .. } = hints;
    match cause {
        Cause::Http(401) | Cause::Grpc(UNAUTHENTICATED) => {
            named(credentials, "check the credentials in ", "")
        }
        Cause::Http(403) | Cause::Grpc(PERMISSION_DENIED) => {
            named(credentials, "check that the credentials in ", " may write metrics")
        }
        Cause::Http(404 | 405) | Cause::Grpc(UNIMPLEMENTED) => {
            let is_usual = paths.iter().any(|path| receiver.path().ends_with(path));
            let usual: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
            let usual = match is_usual || usual.is_empty() || hints.is_grpc {
                true => String::new(),
                false => format!(", which usually ends with {}", usual.join(" or ")),
            };
            named(&[endpoint], "check the URL in ", &usual)
        }
        Cause::Proxy => {
            Some("check the proxy in {proxy}, or name the host in `NO_PROXY`".to_owned())
        }
        _ => None,
    }
}

/// Returns what to do where the two sides speak different protocols.
fn protocol(cause: Cause, said: &str, hints: TransportHints, receiver: &Uri) -> Option<String> {
    let is_plain = receiver.scheme_str() != Some("https");
    let advice = match cause {
        Cause::Tls if says(said, SPEAKS_NO_TLS) => {
            "port {port} does not speak TLS: use `http://` in {endpoint}, or the port for TLS"
        }
        Cause::Tls if hints.is_grpc && says(said, SPEAKS_NO_GRPC) => SPEAKS_HTTP,
        Cause::Connect if hints.is_grpc && says(said, SPEAKS_NO_GRPC) => SPEAKS_HTTP,
        // gRPC has a status of its own: this is a server of something else.
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
        Cause::Connect if is_plain && hints.is_grpc && says(said, HUNG_UP) => {
            "the receiver closed the connection without an answer: if port {port} expects TLS, use `https://` in {endpoint}, \
             and if it speaks HTTP, set {protocol} to `http/protobuf`"
        }
        Cause::Connect if is_plain && says(said, HUNG_UP) => {
            "the receiver closed the connection without an answer: if port {port} expects TLS, use `https://` in {endpoint}"
        }
        Cause::Connect if !hints.protocol.is_empty() && !hints.is_grpc && says(said, HUNG_UP) => {
            "the receiver closed the connection without an answer: if port {port} speaks gRPC, set {protocol} to `grpc`"
        }
        _ => return None,
    };
    let is_usual_port = receiver.port_u16() == Some(4318);
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

/// What servers of HTTPS say of a request without TLS: those in Go, nginx, and Apache.
const WANTS_TLS: &[&str] = &[
    "http request to an https server",
    "plain http request was sent to https port",
    "speaking plain http to an ssl-enabled server port",
];

/// The first bytes of an answer in plain text make no sense to TLS.
const SPEAKS_NO_TLS: &[&str] = &["invalidcontenttype", "invalid content type"];

/// The text of an answer in HTTP/1.1 makes no frame of HTTP/2, and HTTP/2 can be refused in the handshake.
const SPEAKS_NO_GRPC: &[&str] = &["frame with invalid size", "noapplicationprotocol"];

/// Frames of HTTP/2, before the request was sent or after; or a TLS alert.
const SPEAKS_NO_HTTP: &[&str] = &["received unexpected message from connection", "invalid http"];

/// Servers in Go close a connection that is to be encrypted and is not, or the other way round.
const HUNG_UP: &[&str] =
    &["connection closed before message completed", "closed because of a broken pipe"];

/// Returns whether an error has one of these texts.
fn says(said: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| said.contains(text))
}

/// Returns `advice` with the names of the settings, and with the port.
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

/// Returns advice that names settings, if there are any.
fn named(settings: &[&str], before: &str, after: &str) -> Option<String> {
    let settings = settings.iter().filter(|setting| !setting.is_empty());
    let settings: Vec<_> = settings.map(|setting| format!("`{setting}`")).collect();
    (!settings.is_empty()).then(|| format!("{before}{}{after}", settings.join(" or ")))
}

/// Returns what it means that a connection failed, or a receiver refuses a request, with this text.
///
/// Prometheus, Mimir and VictoriaMetrics have no status of their own for refused samples.
fn explanation(said: &str) -> Option<&'static str> {
    EXPLANATIONS.iter().find(|(texts, _)| says(said, texts)).map(|(_, explanation)| *explanation)
}

/// What receivers and rustls say, and what it means. The first that fits counts: Prometheus calls a time in the future
/// "out of bounds", too.
const EXPLANATIONS: [(&[&str], &str); 14] = [
    (
        &["unknownissuer", "peer certificate: badsignature"],
        "the receiver's certificate is self-signed, or of an authority that is not trusted here: name a file with the \
         authority's certificate in {certificate}",
    ),
    (
        &["causedasendentity"],
        "the receiver uses the certificate of an authority as its own, as `openssl req -x509` makes them: let it use one \
         with `basicConstraints=CA:FALSE`, and name that in {certificate}",
    ),
    (
        &["notvalidforname", "certificate not valid for name"],
        "the receiver's certificate is for another host: use a host name that it has in {endpoint}",
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
        "the receiver refuses the client certificate, or wants one: check {identity}, and which authorities the receiver \
         trusts",
    ),
    (
        &["no org id", "no tenant"],
        "the receiver has several tenants, and wants one named: set the header `X-Scope-OrgID`, in {credentials} or at a \
         gateway before it",
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
         `service.instance.id`, and let the receiver accept samples that are late (`out_of_order_time_window`)",
    ),
    (
        &["out of bounds", "too old", "too-old"],
        "the samples are older than the receiver accepts: the clock of this machine is behind, or they waited for too \
         long; let the receiver accept samples that are late (`out_of_order_time_window`)",
    ),
];

const PERMISSION_DENIED: u8 = 7;
const UNIMPLEMENTED: u8 = 12;
const UNAUTHENTICATED: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver() -> Uri {
        Uri::from_static("http://receiver:4318/v1/metrics")
    }

    const OF_OTLP: TransportHints = TransportHints {
        package: "",
        certificate: "CA",
        timeout: "",
        credentials: &["HEADERS"],
        endpoint: "URL",
        client_certificate: "CERTIFICATE",
        proxy: "PROXY",
        protocol: "PROTOCOL",
        is_grpc: false,
        paths: &["/v1/metrics"],
    };

    #[test]
    fn first_contact_is_explained_in_one_sentence() {
        let (http, https) = ("http://r:9", "https://r:9/v1/metrics");
        for (is_grpc, url, cause, said, expected) in [
            (
                true,
                "http://r:4318",
                Cause::Connect,
                "http2 error: connection error detected: frame with invalid size",
                "port 4318 speaks HTTP, and the protocol is grpc: use 4317, or set `PROTOCOL` to `http/protobuf`",
            ),
            (
                true,
                "https://r",
                Cause::Tls,
                "received fatal alert: NoApplicationProtocol",
                "port 443 speaks HTTP, and the protocol is grpc: use the port for gRPC, or set `PROTOCOL` to `http/protobuf`",
            ),
            (
                true,
                http,
                Cause::Http(404),
                "HTTP status 404 Not Found",
                "port 9 speaks HTTP, and the protocol is grpc",
            ),
            (
                false,
                "http://r:4317/v1/metrics",
                Cause::Connect,
                "received unexpected message from connection",
                "port 4317 speaks gRPC, and the protocol is HTTP: use 4318, or set `PROTOCOL` to `grpc`",
            ),
            (
                false,
                http,
                Cause::Connect,
                "invalid HTTP version parsed",
                "port 9 does not speak HTTP/1.1, which is the protocol: use the port for HTTP, or set `PROTOCOL` to `grpc`",
            ),
            (
                true,
                "https://r:4317",
                Cause::Tls,
                "received corrupt message of type InvalidContentType",
                "port 4317 does not speak TLS: use `http://` in `URL`, or the port for TLS",
            ),
            (
                true,
                http,
                Cause::Connect,
                "connection error: stream closed because of a broken pipe",
                "the receiver closed the connection without an answer: if port 9 expects TLS, use `https://` in `URL`",
            ),
            (
                false,
                https,
                Cause::Connect,
                "connection closed before message completed",
                "the receiver closed the connection without an answer: if port 9 speaks gRPC, set `PROTOCOL` to `grpc`",
            ),
            (
                false,
                http,
                Cause::Http(404),
                "404 page not found",
                "check the URL in `URL`, which usually ends with `/v1/metrics`",
            ),
            (false, https, Cause::Http(404), "404 page not found", "check the URL in `URL`"),
            (
                false,
                https,
                Cause::Tls,
                "invalid peer certificate: UnknownIssuer",
                "with the authority's certificate in `CA`",
            ),
            (
                false,
                https,
                Cause::Tls,
                "Other(OtherError(CaUsedAsEndEntity))",
                "`basicConstraints=CA:FALSE`, and name that in `CA`",
            ),
            (
                false,
                https,
                Cause::Tls,
                "certificate not valid for name \"r\"",
                "is for another host",
            ),
            (
                false,
                https,
                Cause::Tls,
                "certificate expired: verification time 1",
                "renew the certificate, or correct the clock",
            ),
            (
                false,
                https,
                Cause::Tls,
                "certificate not valid yet: verification time 1",
                "correct the clock",
            ),
            (
                false,
                https,
                Cause::Tls,
                "received fatal alert: CertificateRequired",
                "name one in `CERTIFICATE`",
            ),
            (false, https, Cause::Tls, "received fatal alert: UnknownCA", "check `CERTIFICATE`"),
            (
                false,
                http,
                Cause::Proxy,
                "no connection through the proxy",
                "check the proxy in `PROXY`, `HTTPS_PROXY` or `HTTP_PROXY`, or name the host in `NO_PROXY`",
            ),
            (
                false,
                https,
                Cause::Http(401),
                "no org id",
                "set the header `X-Scope-OrgID`, in `HEADERS`",
            ),
            (
                false,
                https,
                Cause::Http(403),
                "Signature expired: 2026 is now earlier",
                "synchronize it",
            ),
            (
                false,
                https,
                Cause::Http(401),
                "legacy auth cannot be upgraded because the host is not found",
                "check `URL` against the details of the stack",
            ),
        ] {
            let hints = TransportHints { is_grpc, ..OF_OTLP };
            let receiver = url.parse().expect("a URL");
            let error = SendError::no_answer(cause, said, false).with_advice(hints, &receiver);
            let advice = error.reason.strip_prefix(said).unwrap_or_default();
            assert!(advice.starts_with("; ") && advice.contains(expected), "{said}: {advice}");
            assert_eq!(advice.matches("; ").count(), 1, "one sentence: {advice}");
            assert!(!advice.contains(['{', '}']), "{advice}");
        }
    }

    #[test]
    fn a_port_for_https_refuses_the_sender_whatever_its_status_is() {
        for said in [
            "HTTP status 400 Bad Request: Client sent an HTTP request to an HTTPS server.",
            "HTTP status 400 Bad Request: 400 The plain HTTP request was sent to HTTPS port",
        ] {
            let error = SendError::invalid(said).with_advice(OF_OTLP, &receiver());
            assert_eq!(error.kind, SendErrorKind::Denied, "nothing may be dropped for it");
            let advice = "; port 4318 expects TLS: use `https://` in `URL`";
            assert_eq!(error.reason, format!("{said}{advice}"));
        }
    }

    #[test]
    fn what_has_another_cause_gets_no_advice_about_protocols() {
        for (cause, said) in [
            (Cause::Connect, "tcp connect error: Connection refused (os error 111)"),
            (Cause::Timeout, "no answer within 1000 ms"),
            (Cause::Http(503), "connection closed before message completed"),
        ] {
            let error = SendError::no_answer(cause, said, true);
            assert_eq!(error.with_advice(OF_OTLP, &receiver()).reason, said);
        }
    }

    fn advice(cause: Cause, said: &str) -> String {
        let hints = TransportHints {
            credentials: &["MY_TOKEN"],
            endpoint: "MY_URL",
            ..TransportHints::default()
        };
        let reason =
            SendError::no_answer(cause, said, false).with_advice(hints, &receiver()).reason;
        reason.strip_prefix(said).expect("what the receiver said").to_owned()
    }

    #[test]
    fn a_refusal_of_the_sender_names_the_setting_to_check() {
        for (causes, expected) in [
            ([Cause::Http(401), Cause::Grpc(16)], "; check the credentials in `MY_TOKEN`"),
            (
                [Cause::Http(403), Cause::Grpc(7)],
                "; check that the credentials in `MY_TOKEN` may write metrics",
            ),
            ([Cause::Http(404), Cause::Grpc(12)], "; check the URL in `MY_URL`"),
            ([Cause::Http(503), Cause::Connect], ""),
        ] {
            for cause in causes {
                assert_eq!(advice(cause, "refused"), expected, "{cause}");
            }
        }
        let without = SendError::no_answer(Cause::Http(401), "refused", false);
        assert_eq!(without.with_advice(TransportHints::default(), &receiver()).reason, "refused");
    }

    #[test]
    fn refused_samples_are_explained() {
        for (said, expected) in [
            ("out of bounds: timestamp is too far in the future", "ahead of the receiver's"),
            ("err-mimir-too-far-in-future", "ahead of the receiver's"),
            ("duplicate sample for timestamp", "`service.instance.id`"),
            ("err-mimir-sample-duplicate-timestamp", "another process"),
            ("out of order sample", "was set back"),
            ("the sample has been rejected (err-mimir-sample-out-of-order)", "was set back"),
            ("out of bounds", "older than the receiver accepts"),
            ("too old sample", "older than the receiver accepts"),
            ("(err-mimir-sample-timestamp-too-old)", "older than the receiver accepts"),
        ] {
            let advice = advice(Cause::Http(400), said);
            assert!(advice.contains(expected), "{said}: {advice}");
        }
        assert_eq!(advice(Cause::Http(400), "label name is invalid"), "");
    }
}

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
            "closed the connection without an answer: if port 9 speaks HTTP, set `PROTOCOL` to `http/protobuf`, and if it expects TLS, use `https://` in `URL`",
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
            "http://r:4318/v1/metrics/v1/metrics",
            Cause::Http(404),
            "404 page not found",
            "write the URL in `URL` without `/v1/metrics`, which is added to it",
        ),
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
        (false, https, Cause::Tls, "certificate not valid for name \"r\"", "is for another host"),
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
        assert_eq!(error.reason, format!("{}{advice}", said.trim_end_matches('.')));
    }
}

#[test]
fn what_has_another_cause_gets_no_advice_about_protocols() {
    for (cause, said) in [
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
    let reason = SendError::no_answer(cause, said, false).with_advice(hints, &receiver()).reason;
    reason.strip_prefix(said).expect("what the receiver said").to_owned()
}

#[test]
fn without_a_receiver_the_advice_is_to_check_the_url() {
    let refused = advice(Cause::Connect, "tcp connect error: Connection refused (os error 111)");
    let expected =
        "; nothing listens on port 4318 there: start the receiver, or check the URL in `MY_URL`";
    assert_eq!(refused, expected);
    let unknown = advice(Cause::Dns, "dns error: failed to lookup address information");
    assert_eq!(unknown, "; check the host in `MY_URL`");
    assert_eq!(advice(Cause::Connect, "connection timed out"), "");
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

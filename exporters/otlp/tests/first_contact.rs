//! If the first export reaches the wrong server, the error says which setting to change.

use meterkit_fakes::otlp::{Answer, Receiver};
use meterkit_fakes::raw::RawServer;
use meterkit_otlp::{OtlpTarget, Protocol};
use meterkit_pipeline::{Cause, Target};

use crate::snapshots::{config_for, snapshot};

/// Returns the error of the first export, and whether it may succeed later.
async fn first(protocol: Protocol, url: &str) -> (String, bool) {
    let mut target = OtlpTarget::new(config_for(protocol, url)).expect("a target");
    let error = target.export(&snapshot(1, &[1])).await.expect_err("it is the wrong server");
    (error.to_string(), error.is_retryable())
}

#[tokio::test]
async fn grpc_to_a_port_for_http_names_the_protocol() {
    let receiver = Receiver::start([Answer::Http(404, Vec::new(), "404 page not found")]).await;
    let (text, _) = first(Protocol::Grpc, &receiver.url()).await;
    let advice = format!(
        "; port {} speaks HTTP, and the protocol is grpc: use the port for gRPC, or set \
         `OTEL_EXPORTER_OTLP_PROTOCOL` to `http/protobuf`",
        receiver.address().port()
    );
    assert!(text.ends_with(&advice), "{text}");
}

#[tokio::test]
async fn http_to_a_port_for_grpc_names_the_protocol() {
    // An HTTP/2 server begins with a frame of its settings, which is empty here.
    let server = RawServer::saying(b"\0\0\0\x04\0\0\0\0\0".to_vec()).await;
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let (text, is_retryable) = first(protocol, &server.url()).await;
        assert!(text.contains("does not speak HTTP/1.1, which is the protocol"), "{text}");
        assert!(text.contains("set `OTEL_EXPORTER_OTLP_PROTOCOL` to `grpc`"), "{text}");
        assert!(is_retryable, "a receiver may follow");
    }
}

#[tokio::test]
async fn a_wrong_path_names_the_usual_one() {
    let not_found = Answer::Http(404, Vec::new(), "404 page not found");
    let receiver = Receiver::start([not_found]).await;
    let config = meterkit_otlp::OtlpConfig::new(Protocol::HttpProtobuf, &receiver.url());
    let mut target = OtlpTarget::new(config.expect("a URL")).expect("a target");
    let error = target.export(&snapshot(1, &[1])).await.expect_err("nobody is there");
    let expected = "HTTP status 404 Not Found: 404 page not found; check the URL in \
                    `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`, which usually ends with `/v1/metrics`";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn the_response_of_an_https_port_drops_nothing() {
    let said = "Client sent an HTTP request to an HTTPS server.";
    let server =
        RawServer::saying(format!("HTTP/1.0 400 Bad Request\r\nconnection: close\r\n\r\n{said}"));
    let server = server.await;
    let config = config_for(Protocol::HttpProtobuf, &server.url());
    let mut target = OtlpTarget::new(config).expect("a target");
    let error = target.export(&snapshot(1, &[1, 2])).await.expect_err("it is refused");
    assert_eq!(error.cause(), Cause::Http(400));
    assert!(error.to_string().contains("expects TLS: use `https://` in"), "{error}");
    assert_eq!(server.heads().len(), 1, "the request is not divided");
    assert_eq!(target.rejected_points(), 0, "nor are its points at fault");
}

#[cfg(feature = "tls")]
mod tls {
    use meterkit_fakes::tls::Authority;
    use meterkit_otlp::Transport;

    use super::*;
    use crate::snapshots::ALL;

    async fn over_tls(url: &str, trusted: Option<&Authority>, protocol: Protocol) -> String {
        let trusted = trusted.map_or_else(|| Authority::new().pem(), Authority::pem);
        let transport = Transport::default().with_certificate_authorities(trusted);
        let config = config_for(protocol, url).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        let error = target.export(&snapshot(1, &[1])).await.expect_err("it is refused");
        assert_eq!(error.cause(), Cause::Tls, "{error}");
        error.to_string()
    }

    #[tokio::test]
    async fn a_connection_that_is_not_encrypted_names_the_setting_to_change() {
        let (authority, clients) = (Authority::new(), Authority::new());
        let plain = Receiver::start([]).await;
        let asking = Receiver::start_with_tls(authority.server("localhost", Some(&clients))).await;
        let other = Receiver::start_with_tls(authority.server("elsewhere", None)).await;
        let (asking, other) = (asking.url(), other.url());
        let plain = plain.url().replace("http://", "https://");
        for protocol in ALL {
            for (url, trusted, expected) in [
                (
                    &asking,
                    None,
                    "authority's certificate in `OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE`",
                ),
                (
                    &asking,
                    Some(&authority),
                    "name one in `OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE`",
                ),
                (&other, Some(&authority), "is for another host"),
                (&plain, None, "does not speak TLS: use `http://` in"),
            ] {
                let text = over_tls(url, trusted, protocol).await;
                assert!(text.contains(expected), "{protocol} to {url}: {text}");
            }
        }
    }
}

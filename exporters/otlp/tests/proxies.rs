//! Exports through a proxy, in all protocols.

use meterkit_fakes::otlp::Receiver;
use meterkit_fakes::raw::RawServer;
#[cfg(feature = "tls")]
use meterkit_fakes::tls::Authority;
use meterkit_otlp::{OtlpTarget, Protocol, Proxies, Transport};
use meterkit_pipeline::{ExportError, Target};

use crate::snapshots::{ALL, config, snapshot};

fn proxies(proxy: &RawServer) -> Proxies {
    let url = format!("http://me:hunter2@{}", proxy.address());
    let proxies = Proxies::default().with_http(&url).and_then(|it| it.with_https(&url));
    proxies.expect("a proxy")
}

fn through(proxy: &RawServer) -> Transport {
    Transport::default().with_proxies(proxies(proxy))
}

#[tokio::test]
async fn each_protocol_goes_through_a_proxy_that_is_given() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let proxy = RawServer::proxy_to(receiver.address()).await;
        let config = config(protocol, &receiver).with_transport(through(&proxy));
        let mut target = OtlpTarget::new(config).expect("a target");
        for second in [1, 2] {
            assert_eq!(target.export(&snapshot(second, &[1])).await, Ok(()), "{protocol}");
        }
        assert_eq!(receiver.accepted().len(), 2);
        let heads = proxy.heads();
        let [head] = &*heads else { panic!("{protocol}: {heads:?}") };
        let host = format!("localhost:{}", receiver.address().port());
        let start = match protocol {
            Protocol::Grpc => format!("CONNECT {host} HTTP/1.1\r\n"),
            _ => format!("POST http://{host}/v1/metrics HTTP/1.1\r\n"),
        };
        assert!(head.starts_with(&start), "{head}");
        assert!(head.to_lowercase().contains("\r\nproxy-authorization: basic "), "{head}");
        assert!(!format!("{target:?}").contains("hunter2"), "{target:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_excepted_is_reached_without_proxy() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let proxy = RawServer::proxy_to(receiver.address()).await;
        let proxies = proxies(&proxy).with_direct("localhost");
        let transport = Transport::default().with_proxies(proxies);
        let config = config(protocol, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "{protocol}");
        assert_eq!(proxy.heads(), Vec::<String>::new(), "{protocol}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn encrypted_exports_go_through_a_tunnel() {
    let authority = Authority::new();
    for protocol in ALL {
        let receiver = Receiver::start_with_tls(authority.server("localhost", None)).await;
        let proxy = RawServer::proxy_to(receiver.address()).await;
        let transport = through(&proxy).with_certificate_authorities(authority.pem());
        let config = config(protocol, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()), "{protocol}");
        let heads = proxy.heads();
        let [head] = &*heads else { panic!("{protocol}: {heads:?}") };
        let start = format!("CONNECT localhost:{} HTTP/1.1\r\n", receiver.address().port());
        assert!(head.starts_with(&start), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_the_export_is_tried_again() {
    for protocol in ALL {
        let receiver = Receiver::start([]).await;
        let proxy = RawServer::proxy_to(receiver.address()).await;
        let transport = through(&proxy);
        let address = proxy.stop().await;
        let config = config(protocol, &receiver).with_transport(transport);
        let mut target = OtlpTarget::new(config).expect("a target");
        let error = target.export(&snapshot(1, &[1])).await.expect_err("nobody listens");
        assert!(matches!(error, ExportError::Retryable { .. }), "{error}");
        let error = error.to_string();
        let name = format!("no connection through the proxy `http://{address}`");
        assert!(error.contains(&name) && !error.contains("hunter2"), "{error}");
    }
}

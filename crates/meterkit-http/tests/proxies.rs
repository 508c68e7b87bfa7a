//! Requests through a proxy.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri};
use meterkit_fakes::raw::RawServer;
use meterkit_fakes::tls::Authority;
use meterkit_http::{Client, Post, Proxies, Reply, Transport};

fn client(receiver: &Uri, transport: &Transport) -> Client {
    Client::new(receiver, transport).expect("a client")
}

async fn post(client: &Client, target: &Uri) -> Result<Reply, String> {
    let post = Post {
        uri: target.clone(),
        headers: HeaderMap::from_iter([(
            http::header::AUTHORIZATION,
            HeaderValue::from_static("Bearer 3f2a"),
        )]),
        content_type: HeaderValue::from_static("text/plain"),
        content_encoding: None,
        body: Bytes::from_static(b"metrics"),
    };
    client.send(post).await.map_err(|error| error.to_string())
}

fn uri(text: String) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn proxies(proxy: SocketAddr) -> Proxies {
    let url = format!("http://me:hunter2@{proxy}");
    let proxies = Proxies::default().with_http(&url).and_then(|it| it.with_https(&url));
    proxies.expect("a proxy")
}

fn through(proxy: SocketAddr) -> Transport {
    Transport::default().with_proxies(proxies(proxy))
}

/// The header for the credentials `me:hunter2`.
const CREDENTIALS: &str = "proxy-authorization: Basic bWU6aHVudGVyMg==\r\n";

#[tokio::test]
async fn an_http_request_is_given_to_the_proxy_with_its_credentials() {
    let proxy = RawServer::saying("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok").await;
    // Only the proxy knows this host.
    let target = uri("http://receiver.test:4318/v1?x=1".to_owned());
    let client = client(&target, &through(proxy.address()));
    let reply = post(&client, &target).await.expect("an answer");
    assert_eq!((reply.status().as_u16(), &reply.body()[..]), (202, &b"ok"[..]));
    let heads = proxy.heads();
    let [head] = &*heads else { panic!("{heads:?}") };
    assert!(head.starts_with("POST http://receiver.test:4318/v1?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(CREDENTIALS), "{head}");
    assert!(head.contains("host: receiver.test:4318\r\n"), "{head}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_https_request_goes_through_a_tunnel_that_hides_all_but_the_host() {
    let authority = Authority::new();
    let receiver = RawServer::accepting_with_tls(authority.server("receiver.test", None)).await;
    let proxy = RawServer::proxy_to(receiver.address()).await;
    let transport = through(proxy.address()).with_certificate_authorities(authority.pem());
    for (url, host) in [
        ("https://receiver.test/v1", "receiver.test:443"),
        ("https://receiver.test:4318/v1", "receiver.test:4318"),
    ] {
        let target = uri(url.to_owned());
        let client = client(&target, &transport);
        let reply = post(&client, &target).await.expect("an answer");
        assert_eq!(reply.status().as_u16(), 200);
        let head = proxy.heads().pop().expect("a request");
        assert!(head.starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(CREDENTIALS), "{head}");
        assert!(!head.contains("3f2a"), "{head}");
        let head = receiver.heads().pop().expect("a request");
        assert!(head.starts_with("POST /v1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer 3f2a\r\n"), "{head}");
        assert!(!head.contains("proxy-authorization"), "{head}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_proxy_may_be_encrypted_itself() {
    let authority = Authority::new();
    let proxy = RawServer::saying_with_tls(
        "HTTP/1.1 204 No Content\r\n\r\n",
        authority.server("localhost", None),
    )
    .await;
    let url = format!("https://me:hunter2@localhost:{}", proxy.address().port());
    let transport = Transport::default()
        .with_proxies(Proxies::default().with_http(&url).expect("a proxy"))
        .with_certificate_authorities(authority.pem())
        // The client certificate is for the receiver only: using it for the proxy would be an error.
        .with_client_certificate("no certificate", "no key");
    let target = uri("http://receiver.test/v1".to_owned());
    let reply = post(&client(&target, &transport), &target).await.expect("an answer");
    assert_eq!(reply.status().as_u16(), 204);
    let head = proxy.heads().pop().expect("a request");
    assert!(head.starts_with("POST http://receiver.test/v1 HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn a_host_that_is_excepted_is_reached_without_proxy() {
    let receiver = RawServer::accepting().await;
    let proxy = RawServer::saying("HTTP/1.1 500 Wrong\r\ncontent-length: 0\r\n\r\n").await;
    let target = uri(format!("http://{}/v1", receiver.address()));
    let proxies = proxies(proxy.address()).with_direct("receiver.test,127.0.0.0/8");
    let client = client(&target, &Transport::default().with_proxies(proxies));
    assert_eq!(post(&client, &target).await.expect("an answer").status().as_u16(), 200);
    assert_eq!(proxy.heads(), Vec::<String>::new());
    let head = receiver.heads().pop().expect("a request");
    assert!(head.starts_with("POST /v1 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("proxy-authorization"), "{head}");
}

const DENIED: &str = "HTTP/1.1 407 Who Are You\r\ncontent-length: 0\r\n\r\n";

#[cfg(feature = "tls")]
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    for (scheme, answer, reason) in [
        ("http", DENIED, "refuses the request: HTTP status 407 Proxy Authentication Required"),
        ("http", "", "connection closed before message completed (through the proxy"),
        #[cfg(feature = "tls")]
        ("https", DENIED, "proxy authorization required"),
        #[cfg(feature = "tls")]
        ("https", FORBIDDEN, "tunnel error: unsuccessful"),
        #[cfg(feature = "tls")]
        ("https", "", "tunnel error: unexpected end of file"),
    ] {
        let proxy = RawServer::saying(answer).await;
        let target = uri(format!("{scheme}://receiver.test/v1"));
        // The authority does not matter, because there is no handshake.
        let transport =
            through(proxy.address()).with_certificate_authorities(Authority::new().pem());
        let client = client(&target, &transport);
        let problem = post(&client, &target).await.expect_err("it refuses");
        let name = format!("proxy `http://{}`", proxy.address());
        assert!(problem.contains(&name) && problem.contains(reason), "{problem}");
        let debug = format!("{client:?}");
        for secret in ["hunter2", "bWU6aHVudGVyMg"] {
            assert!(!problem.contains(secret) && !debug.contains(secret), "{problem} {debug}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let address = RawServer::saying("").await.stop().await;
    let target = uri("http://receiver.test/v1".to_owned());
    let client = client(&target, &through(address));
    let problem = post(&client, &target).await.expect_err("nobody listens");
    let expected = format!("no connection through the proxy `http://{address}`: ");
    assert!(problem.contains(&expected) && !problem.contains("hunter2"), "{problem}");
}

#[tokio::test]
async fn what_the_receiver_refuses_by_way_of_a_proxy_is_an_answer() {
    let proxy =
        RawServer::saying("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n").await;
    let target = uri("http://receiver.test/v1".to_owned());
    let client = client(&target, &through(proxy.address()));
    let reply = post(&client, &target).await.expect("an answer");
    assert_eq!(reply.status().as_u16(), 503);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_failure_of_tls_names_the_hop() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let receiver = RawServer::accepting_with_tls(unknown.server("receiver.test", None)).await;
    let tunnel = RawServer::proxy_to(receiver.address()).await;
    let secure = RawServer::accepting_with_tls(unknown.server("localhost", None)).await;
    let direct = format!("localhost:{}", secure.address().port());
    let (tunnel, secure) = (format!("http://{}", tunnel.address()), format!("https://{direct}"));
    let target = "https://receiver.test:4318";
    let from_receiver = |rest: &str| format!("TLS handshake with the receiver {rest} failed: ");
    for (target, proxy, expected) in [
        (&*secure, None, from_receiver(&format!("`{secure}`"))),
        (target, Some(&tunnel), from_receiver(&format!("`{target}` through the proxy `{tunnel}`"))),
        (target, Some(&secure), format!("TLS handshake with the proxy `{secure}` failed: ")),
        ("http://receiver.test", Some(&secure), format!("with the proxy `{secure}` failed: ")),
    ] {
        let proxies = proxy.map_or_else(Proxies::default, |proxy| {
            let proxies = Proxies::default().with_http(proxy).and_then(|it| it.with_https(proxy));
            proxies.expect("a proxy")
        });
        let transport =
            Transport::default().with_proxies(proxies).with_certificate_authorities(known.pem());
        let target = uri(format!("{target}/v1?token=hunter2"));
        let problem = post(&client(&target, &transport), &target).await.expect_err("unknown");
        assert!(problem.contains(&expected) && problem.contains("certificate"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

//! A blocking GET over plain HTTP, like that of a scraper.
//!
//! `meterkit-http` posts from an asynchronous runtime, with TLS and proxies; this module only reads one response body.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The formats that Prometheus prefers, without the binary ones.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time to wait for the next bytes of the endpoint.
const SILENCE: Duration = Duration::from_secs(60);

/// The maximum size of a body, larger than any scrape. Further bytes are not read.
const MOST_BYTES: u64 = 1 << 30;

/// Returns the body of the response. An error is the second half of a sentence that says why the body cannot be read.
pub(crate) fn get(url: &str) -> Result<Vec<u8>, String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(format!(
            "`https` is not supported. Try `curl -sS {url} | meterkit compare - ..`."
        ));
    };
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a URL must not contain spaces.".to_owned());
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("credentials in URLs are not supported.".to_owned());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    // With HTTP/1.0, the end of the connection ends the body, so there are no chunks.
    let request = format!(
        "GET {slash}{path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: meterkit-cli/{}\r\n\
         Accept: {ACCEPT}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut reply = Vec::new();
    let mut stream = connected(authority)?;
    let exchanged = stream.write_all(request.as_bytes());
    exchanged
        .and_then(|()| stream.take(MOST_BYTES).read_to_end(&mut reply))
        .map_err(|error| format!("the connection failed: {error}."))?;
    body(reply)
}

fn connected(authority: &str) -> Result<TcpStream, String> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let with_port = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let addresses = with_port
        .to_socket_addrs()
        .map_err(|error| format!("the host `{authority}` cannot be found: {error}."))?;
    let mut problem = format!("the host `{authority}` has no address.");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                let set = stream.set_read_timeout(Some(SILENCE));
                return set.map(|()| stream).map_err(|error| format!("{error}."));
            }
            Err(error) => problem = format!("{address} does not accept connections: {error}."),
        }
    }
    Err(problem)
}

fn body(mut reply: Vec<u8>) -> Result<Vec<u8>, String> {
    let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.ok_or("the response is not HTTP.")?;
    let body = reply.split_off(end + 4);
    let head = String::from_utf8_lossy(&reply);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.split_once(' ')).map(|(_, status)| status);
    let status = status.ok_or("the response is not HTTP.")?;
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    if !status.starts_with("200") {
        let to = header("location").map(|to| format!(" and points to {}", to.escape_debug()));
        let status = status.trim().escape_debug();
        return Err(format!("the endpoint answered `{status}`{}.", to.unwrap_or_default()));
    }
    for name in ["transfer-encoding", "content-encoding"] {
        if let Some(coding) = header(name).filter(|it| !it.eq_ignore_ascii_case("identity")) {
            let coding = coding.escape_debug();
            return Err(format!("the body has the encoding `{coding}`, which was not requested."));
        }
    }
    match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length > body.len() => {
            Err(format!("the body ended after {} of {length} bytes.", body.len()))
        }
        _ => Ok(body),
    }
}

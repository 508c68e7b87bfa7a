//! A GET over plain HTTP, as a scraper that blocks.
//!
//! `meterkit-http` posts from an asynchronous runtime, with encryption and proxies. This reads one body from an endpoint.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// What Prometheus prefers, without the formats that are not text.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the endpoint may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// More than any scrape has: what follows is not read.
const MOST_BYTES: u64 = 1 << 30;

/// Returns the body of the answer. An error is the end of a sentence that says why it could not be read.
pub(crate) fn get(url: &str) -> Result<Vec<u8>, String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(format!(
            "`https` is not supported. Try `curl -sS {url} | meterkit compare - ..`."
        ));
    };
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a URL contains no blanks.".to_owned());
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("credentials in URLs are not supported.".to_owned());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    // In HTTP/1.0 a body ends with the connection, so there are no chunks.
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
    let end = end.ok_or("the answer is not HTTP.")?;
    let body = reply.split_off(end + 4);
    let head = String::from_utf8_lossy(&reply);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.split_once(' ')).map(|(_, status)| status);
    let status = status.ok_or("the answer is not HTTP.")?;
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    if !status.starts_with("200") {
        let to = header("location").map(|to| format!(" and points to {}", to.escape_debug()));
        let status = status.trim().escape_debug();
        return Err(format!("the endpoint answers `{status}`{}.", to.unwrap_or_default()));
    }
    for name in ["transfer-encoding", "content-encoding"] {
        if let Some(coding) = header(name).filter(|it| !it.eq_ignore_ascii_case("identity")) {
            let coding = coding.escape_debug();
            return Err(format!(
                "the body is coded as `{coding}` although that was not asked for."
            ));
        }
    }
    match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length > body.len() => {
            Err(format!("the body has {} of {length} bytes.", body.len()))
        }
        _ => Ok(body),
    }
}

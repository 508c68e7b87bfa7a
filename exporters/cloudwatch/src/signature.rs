//! AWS Signature Version 4, for requests whose whole body is known.
//!
//! Follows "AWS Signature Version 4 for API requests" in the IAM User Guide, section "Create a signed AWS API request".
//! Existing crates do not fit: `aws-sigv4` requires Rust 1.94, and the signer of `reqsign` does not accept a time,
//! which is necessary to correct a wrong clock and to test with published vectors.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use meterkit_http::{HeaderError, Headers};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqsign_aws_core::Credential;
use reqsign_core::hash::{hex_hmac_sha256, hex_sha256, hmac_sha256};
use reqsign_core::time::Timestamp;

/// Signs requests for one region and service.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) region: String,
    pub(crate) service: &'static str,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";

impl Signer {
    /// Returns the headers that sign `request` at `time`. The signature covers the URL, the host, the body, its content
    /// type, and the `x-amz-*` headers. Proxies may change other headers.
    ///
    /// # Errors
    ///
    /// Returns an error if the session token or the key id cannot be part of a header.
    pub(crate) fn sign(
        &self,
        request: &Request<Bytes>,
        credential: &Credential,
        time: Timestamp,
    ) -> Result<Headers, HeaderError> {
        let mut headers = Headers::default();
        headers.insert(DATE, time.format_iso8601().as_bytes())?;
        if let Some(token) = &credential.session_token {
            headers.insert(TOKEN, token.as_bytes())?;
        }
        let (names, canonical) = canonical_request(request, &headers);
        let scope = format!("{}/{}/{}/aws4_request", time.format_date(), self.region, self.service);
        let text = [ALGORITHM, &time.format_iso8601(), &scope, &hex_sha256(canonical.as_bytes())];
        let signature = hex_hmac_sha256(&self.key(credential, time), text.join("\n").as_bytes());
        let id = &credential.access_key_id;
        let value = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        headers.insert(AUTHORIZATION.as_str(), value.as_bytes())?;
        Ok(headers)
    }

    /// Returns the signing key, which is valid for the day of `time`.
    fn key(&self, credential: &Credential, time: Timestamp) -> Vec<u8> {
        let secret = format!("AWS4{}", credential.secret_access_key);
        let parts = [&time.format_date(), &self.region, self.service, "aws4_request"];
        parts.iter().fold(secret.into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()))
    }
}

/// Returns the names of the signed headers, and the canonical request.
fn canonical_request(request: &Request<Bytes>, added: &Headers) -> (String, String) {
    let is_signed = |name: &str| name == CONTENT_TYPE.as_str() || name.starts_with("x-amz-");
    let own = request.headers().iter().filter(|(name, _)| is_signed(name.as_str()));
    let headers = own.chain(added.as_map()).map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str(), value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    });
    let mut headers: Vec<_> = headers.chain([("host", host(request.uri()))]).collect();
    headers.sort_unstable();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let uri = request.uri();
    // All services except S3 require that the path is encoded a second time.
    let path = utf8_percent_encode(uri.path(), ENCODED).to_string();
    let mut query: Vec<_> = uri.query().unwrap_or_default().split('&').map(pair).collect();
    query.retain(|pair| !pair.is_empty());
    query.sort_unstable();
    let (method, query, body) =
        (request.method().as_str(), query.join("&"), hex_sha256(request.body()));
    let text = [method, &path, &query, &lines, &names, &body].join("\n");
    (names, text)
}

/// All characters except `/` and those that RFC 3986 calls unreserved.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Returns a parameter of a query, with `=` appended if it is missing.
fn pair(text: &str) -> String {
    if text.is_empty() || text.contains('=') { text.to_owned() } else { format!("{text}=") }
}

/// Returns the host in the form in which the client sends it, without the default port of the scheme.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    match uri.port_u16().filter(|port| *port != default) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the credentials of all published vectors.
    fn credential(session_token: Option<&str>) -> Credential {
        Credential {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: session_token.map(str::to_owned),
            expires_in: None,
        }
    }

    fn signed(service: &'static str, request: &Request<Bytes>, token: Option<&str>) -> String {
        let signer = Signer { region: "us-east-1".to_owned(), service };
        let time = "2015-08-30T12:36:00Z".parse().expect("a time");
        let headers = signer.sign(request, &credential(token), time).expect("headers");
        assert_eq!(headers.as_map()[DATE], "20150830T123600Z");
        assert_eq!(headers.as_map().get(TOKEN).map(|it| it.as_bytes()), token.map(str::as_bytes));
        String::from_utf8_lossy(headers.as_map()[AUTHORIZATION].as_bytes()).into_owned()
    }

    fn request(method: &str, path: &str) -> Request<Bytes> {
        let uri = format!("https://example.amazonaws.com{path}");
        Request::builder().method(method).uri(uri).body(Bytes::new()).expect("a request")
    }

    /// Tests cases of AWS's "Signature Version 4 Test Suite", under their names there.
    #[test]
    fn requests_are_signed_as_in_the_test_suite_of_aws() {
        for (case, request, signature) in [
            (
                "get-vanilla",
                request("GET", "/"),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                request("GET", "/?Param2=value2&Param1=value1"),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-vanilla",
                request("POST", "/"),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ] {
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(signed("service", &request, None), expected, "{case}");
        }
    }

    #[test]
    fn a_body_and_its_type_are_signed_as_in_the_test_suite_of_aws() {
        let mut form = request("POST", "/").map(|_| Bytes::from_static(b"Param1=value1"));
        let form_type = "application/x-www-form-urlencoded".parse().expect("a value");
        form.headers_mut().insert(CONTENT_TYPE, form_type);
        let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        let text = signed("service", &form, None);
        let expected = format!("SignedHeaders=content-type;host;x-amz-date, Signature={signature}");
        assert!(text.ends_with(&expected), "post-x-www-form-urlencoded: {text}");
    }

    #[test]
    fn a_session_token_is_signed_as_in_the_test_suite_of_aws() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let text = signed("service", &request("POST", "/"), Some(token));
        let signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
        let names = "host;x-amz-date;x-amz-security-token";
        let expected = format!("SignedHeaders={names}, Signature={signature}");
        assert!(text.ends_with(&expected), "post-sts-header-before: {text}");
    }

    /// Tests the example of "Create a signed AWS API request" in the IAM User Guide.
    #[test]
    fn a_request_is_signed_as_in_the_guide_of_aws() {
        let uri = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        let request = Request::get(uri).header(CONTENT_TYPE, content_type).body(Bytes::new());
        let text = signed("iam", &request.expect("a request"), None);
        let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert!(text.ends_with(&format!("Signature={signature}")), "{text}");
    }

    #[test]
    fn the_host_is_signed_as_it_is_sent() {
        for (uri, expected) in [
            ("https://a.example:443/", "a.example"),
            ("https://a.example:8443/", "a.example:8443"),
            ("http://a.example:443/", "a.example:443"),
            ("http://[::1]:80/", "[::1]"),
        ] {
            assert_eq!(host(&uri.parse().expect("a URI")), expected);
        }
    }

    #[test]
    fn a_path_is_encoded_once_more_and_a_parameter_always_has_a_value() {
        let (_, text) =
            canonical_request(&request("GET", "/a%20b/~c?flag&b=1"), &Headers::default());
        assert!(text.starts_with("GET\n/a%2520b/~c\nb=1&flag=\n"), "{text}");
    }
}

//! Headers that are sent with every request, mostly credentials.

use std::fmt;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use meterkit_settings::{FileVersion, FromFile, Problem, Reader, Setting};
use percent_encoding::percent_decode_str;

use crate::clear_text;
use crate::proxy::Proxy;
use crate::redact::redact;
use crate::secret::Secret;

/// The headers of one target. They are never sent to other targets. `Debug` shows only their names.
///
/// ```
/// use meterkit_http::Headers;
///
/// let mut headers = Headers::parse("api-key=3f2a,x-scope=team%20a")?;
/// headers.insert("Authorization", b"Bearer 9c1d").map_err(|error| error.to_string())?;
/// assert_eq!(headers.as_map()["x-scope"], "team a");
/// assert_eq!(headers.redact("no such key: 3f2a"), "no such key: ...");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    map: HeaderMap,
    /// Other secrets that are sent with the headers and must not be shown.
    hidden: Vec<String>,
    /// The files from which some headers come, with the names of these headers.
    files: Vec<(FromFile<Self>, Vec<HeaderName>)>,
}

impl Headers {
    /// Parses `key=value,key2=value2` with percent-encoded values. If a key occurs twice, the last value counts.
    ///
    /// See section "Specifying headers via environment variables" of OpenTelemetry's specification "OpenTelemetry
    /// Protocol Exporter".
    ///
    /// # Errors
    ///
    /// Returns an error if a pair has no `=`, or is not a header that can be sent. The text contains the position of
    /// the pair but no value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut headers = Self::default();
        for (at, pair) in text.split(',').enumerate() {
            let pair = pair.trim();
            if pair.is_empty() {
                continue;
            }
            let Some((name, value)) = pair.split_once('=') else {
                return Err(format!("pair {} has no `=`; write `key=value,key2=value2`", at + 1));
            };
            if !value.is_empty() && value.chars().all(|c| c == '=') {
                // This is the end of a credential in Base64, whose beginning must not be shown as the name.
                let remedy = "write `Authorization=Basic%20` and the credential, `=` as `%3D`";
                return Err(format!("pair {} has no header name; {remedy}", at + 1));
            }
            let value: Vec<u8> = percent_decode_str(value.trim()).collect();
            let added = headers.insert(name.trim(), &value);
            added.map_err(|problem| format!("pair {}: {problem}", at + 1))?;
        }
        Ok(headers)
    }

    /// Reads the headers from a setting. If they come from a file, a [`Client`](crate::Client) reads them again when
    /// the file changes, except those that were replaced with [`insert`](Self::insert).
    pub fn read(reader: &Reader<'_>, setting: &Setting<Self>) -> Option<Self> {
        let mut headers = reader.get(setting)?;
        let names = headers.map.keys().cloned().collect();
        headers.files.extend(reader.secret_file(setting).map(|file| (file, names)));
        Some(headers)
    }

    /// Sets a header to a secret, replacing an existing header of this name. If the secret comes from a file, a
    /// [`Client`](crate::Client) reads it again when the file changes.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`insert`](Self::insert).
    pub fn insert_secret(
        &mut self,
        name: &'static str,
        secret: &Secret,
    ) -> Result<(), HeaderError> {
        let alone = |text: &str| {
            let mut alone = Self::default();
            alone.insert(name, text.as_bytes()).map(|()| alone)
        };
        let header = alone(secret.expose())?;
        self.insert(name, secret.expose().as_bytes())?;
        let again = move |text: String| alone(&text).map_err(|error| error.to_string());
        let names = header.map.into_iter().filter_map(|(name, _)| name).collect();
        self.files.extend(secret.file().map(|file| (file.map(again), names)));
        Ok(())
    }

    /// Sets a header, replacing an existing header of this name.
    ///
    /// # Errors
    ///
    /// Returns an error if the name or the value is not valid in HTTP, or if the exporter sets the header itself:
    /// headers of the connection and the body, and all headers of gRPC.
    pub fn insert(&mut self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        let error = |problem| HeaderError { name: name.to_owned(), problem };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error(Fault::Name))?;
        if OWN.contains(&key.as_str()) || key.as_str().starts_with("grpc-") {
            return Err(error(Fault::Own));
        }
        let mut value = HeaderValue::from_bytes(value).map_err(|_| error(Fault::Value))?;
        value.set_sensitive(true);
        self.files.iter_mut().for_each(|(_, names)| names.retain(|name| *name != key));
        self.map.insert(key, value);
        Ok(())
    }

    /// Returns the headers. `Debug` does not show their values.
    pub fn as_map(&self) -> &HeaderMap {
        &self.map
    }

    /// Returns the headers, with `product` as the user agent unless they already have one.
    pub fn with_user_agent(&self, product: &'static str) -> HeaderMap {
        let mut headers = self.map.clone();
        if !product.is_empty() {
            headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(product));
        }
        headers
    }

    /// Returns the headers prepared for sending to `receiver` through `proxy`, so that [`redact`](Self::redact) also
    /// hides the query of the URL and the credentials of the proxy. Logs a warning if credentials are sent without
    /// encryption; call this once, at startup.
    #[must_use]
    pub fn sent_to(mut self, receiver: &Uri, proxy: Option<&Proxy>) -> Self {
        clear_text::warn(&self, receiver, proxy);
        self.hide(receiver, proxy);
        self
    }

    fn hide(&mut self, receiver: &Uri, proxy: Option<&Proxy>) {
        for pair in receiver.query().unwrap_or_default().split('&') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            let value = percent_decode_str(value).decode_utf8_lossy();
            // In a query, `+` may mean a space or itself.
            self.hidden.extend([value.replace('+', " "), value.into_owned()]);
        }
        let authorization = proxy.and_then(Proxy::authorization);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        self.hidden.extend(authorization.map(str::to_owned));
    }

    /// Returns the headers with the current content of their files, and adds the settings of files with changed headers
    /// to `changed`.
    pub(crate) fn renewed(&self, changed: &mut Vec<String>) -> Result<Self, Problem> {
        let mut renewed = self.clone();
        for (file, names) in &mut renewed.files {
            let read = file.read()?;
            let before = renewed.map.clone();
            for name in names.drain(..) {
                renewed.map.remove(name);
            }
            for (name, value) in &read.map {
                // Headers that the program has set take precedence.
                if !renewed.map.contains_key(name) {
                    renewed.map.insert(name, value.clone());
                    names.push(name.clone());
                }
            }
            if before != renewed.map {
                changed.push(file.setting().to_owned());
            }
        }
        Ok(renewed)
    }

    /// Returns these headers as the replacement of `previous`, whose values stay hidden because a late answer may quote
    /// them.
    pub(crate) fn replacing(mut self, previous: &Self) -> Self {
        let values =
            previous.map.values().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        self.hidden.extend(values.map(str::to_owned));
        self
    }

    /// Returns the versions of the files from which headers come.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Option<FileVersion>> {
        self.files.iter().map(|(file, _)| file.version())
    }

    /// Returns these headers together with `others`, which take precedence if names are equal.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let mut both = self.clone();
        both.map.extend(others.map.clone());
        both.hidden.extend_from_slice(&others.hidden);
        both
    }

    /// Returns the `text` of a receiver without the values of headers that it quotes, literally or escaped. This
    /// includes passwords of Basic authentication. Values of less than 4 bytes are kept.
    pub fn redact(&self, text: &str) -> String {
        let values =
            self.map.values().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        redact(text, values.chain(self.hidden.iter().map(String::as_str)))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map.keys().map(HeaderName::as_str)).finish()
    }
}

/// The headers that transports set themselves. A second value would make requests unreadable for receivers.
const OWN: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The error for a header that cannot be sent. Does not show the value, which may be a secret.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("header{} {problem}", self.shown_name())]
pub struct HeaderError {
    name: String,
    problem: Fault,
}

meterkit_rules::debug_as_text!(HeaderError);

impl HeaderError {
    /// Returns the name if it is valid. An invalid one, such as `Authorization: Basic ...`, may contain the credential.
    fn shown_name(&self) -> String {
        if self.problem == Fault::Name { String::new() } else { format!(" `{}`", self.name) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("has a bad name; write letters, digits and `-`")]
    Name,
    #[error("has a value with control characters or line breaks; remove them")]
    Value,
    #[error("is set by the exporter itself; remove it")]
    Own,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let headers = Headers::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.as_map().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_read_with_percent_encoded_values() {
        for (text, expected) in [
            ("api-key=key", vec![pair("api-key", "key")]),
            ("Authorization=Basic%20YTpi%3D%3D", vec![pair("authorization", "Basic YTpi==")]),
            ("a=b=c", vec![pair("a", "b=c")]),
            (" a = 1 ,, b=2,", vec![pair("a", "1"), pair("b", "2")]),
            ("a=1,b=2,A=3", vec![pair("a", "3"), pair("b", "2")]),
            ("a=", vec![pair("a", "")]),
            ("a=x%2Cy%zz", vec![pair("a", "x,y%zz")]),
            ("a=gr%C3%BCn", vec![pair("a", "grün")]),
        ] {
            assert_eq!(pairs(text), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_pair_is_reported_by_its_position_and_without_its_value() {
        for (text, problem) in [
            ("a=1,hunter2", "pair 2 has no `=`"),
            ("a b=hunter2", "pair 1: header has a bad name"),
            ("=hunter2", "pair 1: header has a bad name"),
            ("Authorization: Basic hunter2==", "pair 1 has no header name"),
            ("Basic hunter2=", "pair 1: header has a bad name"),
            ("aHVudGVyhunter2==", "pair 1 has no header name"),
            ("a=hunter2%0A", "pair 1: header `a` has a value with control characters"),
            ("Content-Type=hunter2", "`Content-Type` is set by the exporter itself"),
            ("grpc-timeout=hunter2", "`grpc-timeout` is set by the exporter itself"),
        ] {
            let error = Headers::parse(text).expect_err(text);
            assert!(error.contains(problem), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn debug_shows_names_only() {
        let headers = Headers::parse("api-key=hunter2,x-scope=b").expect("good pairs");
        assert_eq!(format!("{headers:?}"), r#"{"api-key", "x-scope"}"#);
    }

    #[test]
    fn headers_that_a_receiver_quotes_are_left_out() {
        let headers = Headers::parse("authorization=Bearer%20hunter2,x=ab").expect("good pairs");
        let said = headers.redact("token hunter2 of `Bearer hunter2` is bad, ab");
        assert_eq!(said, "token ... of `...` is bad, ab");
        let headers = Headers::parse("authorization=Basic%20bWU6aHVudGVyMg==,x=gr%C3%BCn");
        let headers = headers.expect("good pairs");
        let said = "no user me with password hunter2 (bWU6aHVudGVyMg==), not even grün";
        let shown = "no user me with password ... (...), not even ...";
        assert_eq!(headers.redact(said), shown);
        // A long text may be cut off in the middle of a secret.
        let headers = Headers::parse("authorization=Bearer%20hunter2").expect("good pairs");
        for (said, shown) in [
            ("bad token hunt...", "bad token ..."),
            ("bad token `Bearer hun...", "bad token `..."),
            ("bad token hun...", "bad token hun..."),
            ("hunt is on", "hunt is on"),
        ] {
            assert_eq!(headers.redact(said), shown);
        }
    }
}

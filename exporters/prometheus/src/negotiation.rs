//! Which names a scraper can read, by what its `Accept` says.
//!
//! By Prometheus' content negotiation and escaping schemes: whoever reads all characters says
//! `text/plain;version=1.0.0;escaping=allow-utf-8`. Everyone else gets the older ones.

use http::HeaderMap;
use http::header::ACCEPT;

/// Whether names may have any characters: asked for, and not less welcome than the older format.
pub(crate) fn allows_utf8(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    allows_utf8_in(accept)
}

/// The same for the values of `Accept`.
pub(crate) fn allows_utf8_in<'a>(accept: impl Iterator<Item = &'a str>) -> bool {
    let (mut utf8, mut older) = (None, None);
    for range in accept.flat_map(|value| split(value, ',')) {
        let range = Range::of(range);
        let best = if range.is_utf8() {
            &mut utf8
        } else if range.is_older() {
            &mut older
        } else {
            continue;
        };
        if best.is_none_or(|best| range.quality > best) {
            *best = Some(range.quality);
        }
    }
    utf8.is_some_and(|quality| quality > 0 && older.is_none_or(|older| quality >= older))
}

/// One media range of `Accept`.
#[derive(Debug, Default)]
struct Range<'a> {
    media_type: &'a str,
    version: Option<&'a str>,
    escaping: Option<&'a str>,
    /// In thousandths. 0 is a refusal, and so is what is no quality at all.
    quality: u16,
}

impl<'a> Range<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = split(text, ';');
        let media_type = parts.next().unwrap_or_default().trim();
        let mut range = Self { media_type, quality: 1000, ..Self::default() };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                name if name.eq_ignore_ascii_case("escaping") => range.escaping = Some(value),
                name if name.eq_ignore_ascii_case("q") => range.quality = quality(value),
                _ => {}
            }
        }
        range
    }

    /// Names between quotes came with version 1.0.0 of the text.
    fn is_utf8(&self) -> bool {
        self.media_type.eq_ignore_ascii_case("text/plain")
            && self.version.is_none_or(|version| version == "1.0.0")
            && self.escaping.is_some_and(|scheme| scheme.eq_ignore_ascii_case("allow-utf-8"))
    }

    /// Named as such: `*/*` is what anyone says in the end.
    fn is_older(&self) -> bool {
        self.media_type.eq_ignore_ascii_case("text/plain")
    }
}

fn quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as u16,
        _ => 0,
    }
}

/// The parts between separators that stand in no quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => {}
        }
        c == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 3 sends.
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                              application/openmetrics-text;version=0.0.1;q=0.5,\
                              text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                              text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[test]
    fn whoever_asks_for_all_characters_gets_them_and_nobody_else() {
        for (accept, expected) in [
            (PROMETHEUS, true),
            ("text/plain;version=1.0.0;escaping=allow-utf-8", true),
            ("Text/Plain; Version=1.0.0; Escaping=Allow-UTF-8; Q=0.1", true),
            ("text/plain; version=\"1.0.0\"; escaping=\"allow-utf-8\"", true),
            ("text/plain;escaping=allow-utf-8", true),
            (
                " , text/html, text/plain ;version=1.0.0 ; escaping=allow-utf-8 ;q=1.000, */*;q=1",
                true,
            ),
            (
                "text/plain;version=0.0.4;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5",
                true,
            ),
            ("", false),
            ("*/*", false),
            ("text/*", false),
            ("text/plain", false),
            ("text/html, */*;q=0.8", false),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", false),
            ("text/plain;version=2.0.0;escaping=allow-utf-8", false),
            ("text/plain;version=1.0.0", false),
            ("text/plain;version=1.0.0;escaping=underscores", false),
            ("text/plain;version=1.0.0;escaping=dots", false),
            ("text/plain;version=1.0.0;escaping=values", false),
            ("text/plain;version=1.0.0;escaping=", false),
            ("text/plain;version=1.0.0;allow-utf-8", false),
            ("*/*;escaping=allow-utf-8", false),
            ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,*/*;q=0.1", false),
            ("application/json;escaping=allow-utf-8", false),
            ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0", false),
            ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.000", false),
            ("text/plain;version=1.0.0;escaping=allow-utf-8;q=much", false),
            ("text/plain;version=1.0.0;escaping=allow-utf-8;q=-1", false),
            ("text/plain;version=1.0.0;escaping=allow-utf-8;q=NaN", false),
            ("text/plain;version=1.0.0;escaping=allow-utf-8;q=2", false),
            (
                "text/plain;version=0.0.4;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4",
                false,
            ),
            ("text/html;x=\"a,text/plain;version=1.0.0;escaping=allow-utf-8\"", false),
            ("text/html;x=\"\\\",text/plain;escaping=allow-utf-8\"", false),
            (";;;=,,;q=;\"", false),
        ] {
            assert_eq!(allows_utf8_in([accept].into_iter()), expected, "{accept}");
        }
    }

    #[test]
    fn several_headers_are_one_list_and_what_is_no_text_counts_for_nothing() {
        let mut headers = HeaderMap::new();
        assert!(!allows_utf8(&headers));
        headers.append(ACCEPT, "text/plain;version=0.0.4;q=0.3".parse().unwrap());
        headers.append(ACCEPT, http::HeaderValue::from_bytes(b"text/\xff").unwrap());
        assert!(!allows_utf8(&headers));
        headers.append(ACCEPT, "text/plain;version=1.0.0;escaping=allow-utf-8".parse().unwrap());
        assert!(allows_utf8(&headers));
    }
}

//! Parses lists of what a client accepts: the headers `Accept` and `Accept-Encoding`.

use http::HeaderMap;
use http::header::HeaderName;

/// One item of `Accept` or `Accept-Encoding`.
#[derive(Debug)]
pub(crate) struct Accepted<'a> {
    /// The media type or the content coding, without parameters.
    pub(crate) name: &'a str,
    /// The quality in thousandths. 0 means refused; an invalid quality counts as 0.
    pub(crate) quality: u16,
    parameters: &'a str,
}

/// Returns the values of all headers with this name, which together form one list. Skips values that are not text.
pub(crate) fn values<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> + use<'a> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// Returns the items of a list in order.
pub(crate) fn items<'a>(
    values: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Accepted<'a>> {
    values.flat_map(|value| split(value, ',')).map(Accepted::of).filter(|it| !it.name.is_empty())
}

impl<'a> Accepted<'a> {
    fn of(text: &'a str) -> Self {
        let name_ends = split(text, ';').next().map_or(text.len(), str::len);
        let (name, parameters) = text.split_at(name_ends);
        let mut item = Self { name: name.trim(), quality: 1000, parameters };
        if let Some(text) = item.parameter("q") {
            item.quality = quality(text);
        }
        item
    }

    /// Returns the value of a parameter, without quotes. If the parameter occurs several times, the last one counts.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = split(self.parameters, ';').filter_map(|part| part.split_once('='));
        let values = pairs.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
        values.last().map(|(_, value)| value.trim().trim_matches('"'))
    }
}

fn quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as u16,
        _ => 0,
    }
}

/// Returns the parts between separators that are not inside quotes.
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

//! Text that Grafana shows.

/// An invisible character.
const WORD_JOINER: char = '\u{2060}';

/// Returns text that Grafana shows unchanged. Grafana replaces `$name`, `${name}` and `[[name]]` with the value of a
/// variable and has no escape for them, so this function inserts an invisible character.
pub(crate) fn shown(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut chars = words.chars().peekable();
    while let Some(c) = chars.next() {
        shown.push(c);
        let next = chars.peek().copied();
        let begins_variable = match c {
            '$' => next.is_some_and(|c| c == '{' || c == '_' || c.is_ascii_alphanumeric()),
            '[' => next == Some('['),
            _ => false,
        };
        if begins_variable {
            shown.push(WORD_JOINER);
        }
    }
    shown
}

/// Returns text like [`shown`], in one line.
pub(crate) fn title(words: &str) -> String {
    shown(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Parts of names that are spelled differently in text.
const WRITTEN: [(&str, &str); 14] = [
    ("api", "API"),
    ("cpu", "CPU"),
    ("db", "database"),
    ("dns", "DNS"),
    ("gc", "GC"),
    ("grpc", "gRPC"),
    ("http", "HTTP"),
    ("id", "ID"),
    ("io", "I/O"),
    ("rpc", "RPC"),
    ("sql", "SQL"),
    ("tcp", "TCP"),
    ("tls", "TLS"),
    ("url", "URL"),
];

/// Returns the name of a metric in words: `HTTP server request duration` for `http.server.request.duration`. A name
/// part in camel case becomes several words.
pub(crate) fn words(name: &str) -> String {
    let written = |part: &str| {
        let known = WRITTEN.iter().find(|(known, _)| *known == part);
        known.map_or_else(|| part.to_owned(), |(_, written)| (*written).to_owned())
    };
    // Drop the prefix: the rest of these names mentions exporters and readers, which is clear enough.
    let name = name.strip_prefix("otel.sdk.").unwrap_or(name);
    let mut separated = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_uppercase() && separated.ends_with(char::is_lowercase) {
            separated.push('.');
            separated.extend(c.to_lowercase());
        } else {
            separated.push(c);
        }
    }
    let parts = separated.split(['.', '_']).filter(|it| !it.is_empty());
    let parts: Vec<_> = parts.map(written).collect();
    let words = parts.join(" ");
    let first = words.chars().next().filter(|_| !words.starts_with("gRPC"));
    match first {
        Some(first) => first.to_uppercase().chain(words.chars().skip(1)).collect(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_variable_is_shown_unchanged() {
        for (words, expected) in [
            ("costs 5 $", "costs 5 $"),
            ("$service", "$\u{2060}service"),
            ("${service:raw}", "$\u{2060}{service:raw}"),
            ("[[service]] [x]", "[\u{2060}[service]] [x]"),
            ("$$a", "$$\u{2060}a"),
            ("\"a\\\nb", "\"a\\\nb"),
        ] {
            assert_eq!(shown(words), expected, "{words:?}");
        }
    }

    #[test]
    fn names_of_metrics_are_shown_as_words() {
        for (name, expected) in [
            ("http.server.request.duration", "HTTP server request duration"),
            ("db.client.connection.count", "Database client connection count"),
            ("cache.hit_ratio", "Cache hit ratio"),
            ("tasks.in_flight.peak", "Tasks in flight peak"),
            ("grpc.calls", "gRPC calls"),
            ("httpRouter.cacheSize", "HTTP router cache size"),
            ("otel.sdk.exporter.operation.duration", "Exporter operation duration"),
            ("HTTP server requests", "HTTP server requests"),
            ("größe", "Größe"),
            ("", ""),
        ] {
            assert_eq!(words(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(title(" a\n\tb "), "a b");
    }
}

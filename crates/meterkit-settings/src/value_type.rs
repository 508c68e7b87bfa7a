//! The types of setting values.

use std::fmt;

/// The type of a setting's value. `Display` describes the accepted values in words.
///
/// White space around a value is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// `true` or `false`, in any case.
    Boolean,
    /// Any text.
    Text,
    /// A name component: words in lower case with `_` between them.
    Name,
    /// The username that goes with a password.
    Username,
    /// A password. Spaces may be part of it.
    Password,
    /// A token or key.
    Token,
    /// A number of things, 1 or more.
    Count,
    /// A number that identifies something.
    Number,
    /// A duration that may be zero.
    Milliseconds,
    /// A duration greater than zero.
    Interval,
    /// A timeout, which may be unlimited.
    Timeout,
    /// A port to listen on.
    Port,
    /// A port to connect to.
    PeerPort,
    /// A host to listen on or to connect to.
    Host,
    /// Host names and addresses by which clients address this process.
    Hosts,
    /// Networks that clients are in.
    Networks,
    /// The path of a URL that this library serves.
    UrlPath,
    /// Patterns of names or keys to keep, and of those to leave out.
    NamePatterns,
    /// A URL to send to.
    Url,
    /// The path of a file that this library reads.
    File,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// Some of these words, in any case; duplicates count once.
    Words(&'static [&'static str]),
    /// Scopes.
    Scopes,
    /// Pairs in OpenTelemetry's format.
    Pairs,
    /// Tags in Datadog's format.
    Tags,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Boolean => "`true` or `false`",
            Self::Text | Self::Password => "any text",
            Self::Name => "lower-case words joined by `_`",
            Self::Username => "a name without `:`",
            Self::Token => "text without white space",
            Self::Count => "a whole number, 1 or more",
            Self::Number => "a whole number",
            Self::Milliseconds => "a whole number of milliseconds",
            Self::Interval => "a whole number of milliseconds, 1 or more",
            Self::Timeout => "a whole number of milliseconds, 0 for no limit",
            Self::Port => "a port from 0 to 65535; 0 picks a free port",
            Self::PeerPort => "a port from 1 to 65535",
            Self::Host => "a host name or an address, without scheme, port or path",
            Self::Hosts => "a comma-separated list of host names and addresses, without ports",
            Self::Networks => {
                "a comma-separated list of addresses and networks, such as `10.0.0.0/8`"
            }
            Self::UrlPath => "a path that begins with `/`",
            Self::NamePatterns => {
                "a comma-separated list of names; `*` matches any text, and names after `!` are left out, as in `service.*,!service.version`"
            }
            Self::Url => "a URL",
            Self::File => "the path of a file",
            Self::Word(words) => return list(f, words, "or"),
            Self::Words(words) => {
                f.write_str("a comma-separated list of ")?;
                list(f, words, "and")?;
                ", or `none`"
            }
            Self::Scopes => "a comma-separated list of scopes; `*` matches any text",
            Self::Pairs => "a comma-separated list of percent-encoded `key=value` pairs",
            Self::Tags => "`key:value` pairs separated by commas or spaces",
        };
        f.write_str(text)
    }
}

/// Writes the words, with `last` before the last one.
fn list(f: &mut fmt::Formatter<'_>, words: &[&str], last: &str) -> fmt::Result {
    for (at, word) in words.iter().enumerate() {
        match at {
            0 => write!(f, "`{word}`")?,
            at if at + 1 == words.len() => write!(f, " {last} `{word}`")?,
            _ => write!(f, ", `{word}`")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_say_what_they_accept() {
        for (value_type, text) in [
            (ValueType::Boolean, "`true` or `false`"),
            (ValueType::Word(&["a"]), "`a`"),
            (ValueType::Word(&["a", "b"]), "`a` or `b`"),
            (ValueType::Word(&["a", "b", "c"]), "`a`, `b` or `c`"),
            (
                ValueType::Words(&["a", "b", "c"]),
                "a comma-separated list of `a`, `b` and `c`, or `none`",
            ),
        ] {
            assert_eq!(value_type.to_string(), text);
        }
    }
}

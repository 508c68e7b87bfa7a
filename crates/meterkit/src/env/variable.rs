//! Variables that [`Telemetry::from_env`](crate::Telemetry::from_env) reads.

use std::fmt;

/// One variable of the environment: what may stand in it, and what it does.
///
/// [`variables`](super::variables) gives all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name, as in `OTEL_SERVICE_NAME`.
    pub name: &'static str,
    /// What is accepted.
    pub value_type: ValueType,
    /// What holds when it is unset or empty, as Markdown: values stand between backticks. Empty when that is nothing.
    pub default: &'static str,
    /// What it does, as Markdown.
    pub meaning: &'static str,
    /// Whether its value is shown nowhere. It can then be read from a file: see [`file_name`](Self::file_name).
    pub is_secret: bool,
    /// The one target that it is about, as in `OTEL_METRICS_EXPORTER`; `None` when it is about more.
    pub target: Option<&'static str>,
}

impl Variable {
    /// For a secret, the variable that names a file with its value: `DD_API_KEY_FILE`.
    pub fn file_name(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_FILE", self.name))
    }

    /// The feature of `meterkit` without which it has no effect.
    pub fn feature(&self) -> Option<&'static str> {
        self.target.filter(|target| *target != "console")
    }

    /// Whose name it is: `OpenTelemetry`, `Datadog` or `meterkit`.
    pub fn origin(&self) -> &'static str {
        match self.name.split('_').next() {
            Some("OTEL") => "OpenTelemetry",
            Some("DD") => "Datadog",
            _ => "meterkit",
        }
    }
}

/// What is accepted as the value of a variable; `Display` says it in words.
///
/// White space around a value does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
    /// Yes or no, in any case.
    Boolean,
    /// Whatever there is.
    Text,
    /// A part of names.
    Name,
    /// How many of something there may be.
    Count,
    /// A number by which something is known.
    Number,
    /// A time span that may be nothing.
    Milliseconds,
    /// A time span that is something.
    Interval,
    /// A time span that may be without end.
    Timeout,
    /// Where to listen.
    Port,
    /// Where the other side listens.
    PeerPort,
    /// Where to listen, or whom to talk to.
    Host,
    /// Where to send to.
    Url,
    /// A file that this library reads.
    File,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// Some of these words, in any case; each counts once.
    Words(&'static [&'static str]),
    /// Scopes.
    Scopes,
    /// Pairs by OpenTelemetry's rules.
    Pairs,
    /// Tags by Datadog's rules.
    Tags,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Boolean => "`true` or `false`",
            Self::Text => "any text",
            Self::Name => "words in lower case, `_` between them",
            Self::Count => "a whole number, 1 or more",
            Self::Number => "a whole number",
            Self::Milliseconds => "a whole number of milliseconds",
            Self::Interval => "a whole number of milliseconds, 1 or more",
            Self::Timeout => "a whole number of milliseconds, 0 for no limit",
            Self::Port => "a port from 0 to 65535, 0 for any free one",
            Self::PeerPort => "a port from 1 to 65535",
            Self::Host => "a host name or an address, without scheme, port or path",
            Self::Url => "a URL",
            Self::File => "the path of a file",
            Self::Word(words) => return list(f, words, "or"),
            Self::Words(words) => {
                f.write_str("a comma list of ")?;
                list(f, words, "and")?;
                ", or `none`"
            }
            Self::Scopes => "a comma list of scopes, in which `*` is any text",
            Self::Pairs => "a comma list of `key=value`, values percent-encoded",
            Self::Tags => "`key:value` pairs between commas, or between spaces",
        };
        f.write_str(text)
    }
}

/// The words, with `last` before the last one.
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

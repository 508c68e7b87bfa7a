//! How metrics are sent: gRPC, or HTTP with one of two encodings.

use std::fmt;
use std::str::FromStr;

use crate::VariableError;
use crate::variable::Pair;

const PROTOCOL: Pair =
    Pair { metrics: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", generic: "OTEL_EXPORTER_OTLP_PROTOCOL" };

/// A transport of OTLP, with its encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `grpc`: protobuf over HTTP/2.
    Grpc,
    /// `http/protobuf`: protobuf in HTTP requests. The default.
    #[default]
    HttpProtobuf,
    /// `http/json`: JSON in HTTP requests.
    HttpJson,
}

impl Protocol {
    /// What `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL` says, else `OTEL_EXPORTER_OTLP_PROTOCOL`, else the default.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, VariableError> {
        match PROTOCOL.read(lookup) {
            None => Ok(Self::default()),
            Some(variable) => variable.value.parse().map_err(|_: ProtocolError| {
                variable.error(format!("this protocol is unknown; write {ACCEPTED}"))
            }),
        }
    }

    /// The name that the variables take.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In upper or lower case.
impl FromStr for Protocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Grpc, Self::HttpProtobuf, Self::HttpJson]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ProtocolError(text.to_owned()))
    }
}

const ACCEPTED: &str = "`grpc`, `http/protobuf` or `http/json`";

/// The text is the name of no protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OTLP protocol `{0}` is unknown; write {ACCEPTED}")]
pub struct ProtocolError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_is_read_by_its_name_in_any_case() {
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
            assert_eq!(protocol.as_str().to_ascii_uppercase().parse(), Ok(protocol));
        }
    }

    #[test]
    fn other_names_are_told_which_exist() {
        for name in ["", "http", "grpc ", "http/proto"] {
            let text = name.parse::<Protocol>().expect_err(name).to_string();
            assert_eq!(
                text,
                format!(
                    "OTLP protocol `{name}` is unknown; write `grpc`, `http/protobuf` or `http/json`"
                )
            );
        }
    }

    #[test]
    fn the_variable_for_metrics_wins_over_that_for_all_signals() {
        for (metrics, generic, expected) in [
            (None, None, Protocol::HttpProtobuf),
            (Some(""), Some(" "), Protocol::HttpProtobuf),
            (None, Some("grpc"), Protocol::Grpc),
            (Some(" http/json "), Some("grpc"), Protocol::HttpJson),
            (Some(""), Some("GRPC"), Protocol::Grpc),
            (Some("grpc"), Some("nonsense"), Protocol::Grpc),
        ] {
            let lookup = |name: &str| match name {
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL" => metrics.map(str::to_owned),
                "OTEL_EXPORTER_OTLP_PROTOCOL" => generic.map(str::to_owned),
                other => panic!("{other} was read"),
            };
            assert_eq!(Protocol::from_variables(lookup), Ok(expected), "{metrics:?} {generic:?}");
        }
    }

    #[test]
    fn a_bad_variable_is_named_with_its_value() {
        let lookup =
            |name: &str| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "http".to_owned());
        let error = Protocol::from_variables(lookup).expect_err("http is not one");
        assert_eq!(
            error.to_string(),
            "OTEL_EXPORTER_OTLP_PROTOCOL=`http`: this protocol is unknown; \
             write `grpc`, `http/protobuf` or `http/json`"
        );
    }
}

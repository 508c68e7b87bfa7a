//! The protocol of a target: gRPC, or HTTP with one of two encodings.

use meterkit_settings::words;

/// A protocol of OTLP: the transport and the encoding.
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

words! {
    Protocol {
        Grpc = "grpc",
        HttpProtobuf = "http/protobuf",
        HttpJson = "http/json",
    }
}

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
    fn the_error_for_an_unknown_name_lists_the_known_ones() {
        for name in ["", "http", "grpc ", "http/proto"] {
            let text = name.parse::<Protocol>().expect_err(name).to_string();
            let accepted = "`grpc`, `http/protobuf` or `http/json`";
            assert_eq!(text, format!("`{name}` is unknown; write {accepted}"));
        }
    }
}

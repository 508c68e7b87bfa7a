//! The OTLP gateway of Grafana Cloud.

use crate::Secret;

/// A Grafana Cloud stack, with the token that may write metrics to it. The stack's page "OpenTelemetry" shows zone,
/// instance id and token.
#[derive(Clone, Debug)]
pub struct CloudOtlp {
    zone: String,
    instance_id: String,
    api_key: Secret,
}

impl CloudOtlp {
    /// Creates the destination for the stack `instance_id` in `zone`, such as `prod-eu-west-2`. `api_key` is a token
    /// with the scope `metrics:write`. Environment variables are not read.
    pub fn new(zone: impl Into<String>, instance_id: impl Into<String>, api_key: Secret) -> Self {
        Self { zone: zone.into(), instance_id: instance_id.into(), api_key }
    }

    /// Returns the URL for metrics over OTLP/HTTP. The gateway does not support gRPC.
    pub fn metrics_url(&self) -> String {
        format!("https://otlp-gateway-{}.grafana.net/otlp/v1/metrics", self.zone)
    }

    /// Returns the value of the header `Authorization`.
    pub fn authorization(&self) -> Secret {
        Secret::basic(&self.instance_id, &self.api_key)
    }
}

/// Returns why `zone` cannot be a zone; `None` if it can.
pub(crate) fn zone_problem(zone: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if zone.chars().all(legal) && !zone.starts_with('-') && !zone.ends_with('-') {
        return None;
    }
    // Suggest the zone when the whole URL of the gateway was pasted.
    let lower = zone.to_ascii_lowercase();
    let meant = lower.split_once("otlp-gateway-").and_then(|(_, rest)| rest.split('.').next());
    let meant = meant.filter(|zone| !zone.is_empty() && zone.chars().all(legal));
    let example = meant.unwrap_or("prod-eu-west-2");
    Some(format!("a zone consists of lower-case letters, digits and `-`; write `{example}`"))
}

/// Returns why `id` cannot be an instance id; `None` if it can.
pub(crate) fn instance_id_problem(id: &str) -> Option<String> {
    let is_number = id.chars().all(|c| c.is_ascii_digit());
    (!is_number).then(|| "an instance id is a number; write, for example, `123456`".to_owned())
}

#[cfg(test)]
mod tests {
    use meterkit_settings::{Environment, SettingsError};

    use super::*;

    fn read(
        zone: &str,
        instance_id: &str,
        api_key: &str,
    ) -> Result<Option<CloudOtlp>, SettingsError> {
        let environment = Environment::of([
            ("GRAFANA_CLOUD_ZONE", zone),
            ("GRAFANA_CLOUD_INSTANCE_ID", instance_id),
            ("GRAFANA_CLOUD_API_KEY", api_key),
        ]);
        environment.read(CloudOtlp::read)
    }

    fn cloud(zone: &str, instance_id: &str, api_key: &str) -> CloudOtlp {
        let cloud = read(zone, instance_id, api_key).unwrap_or_else(|error| panic!("{error:?}"));
        cloud.unwrap_or_else(|| panic!("nothing is set"))
    }

    #[test]
    fn nothing_set_is_no_destination() {
        assert!(matches!(read("", " ", "\n"), Ok(None)));
    }

    #[test]
    fn three_variables_give_the_url_and_the_header() {
        for (zone, id, key, url, authorization) in [
            (
                "prod-eu-west-2",
                "123456",
                "glc_abc",
                "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp/v1/metrics",
                "Basic MTIzNDU2OmdsY19hYmM=",
            ),
            (
                " prod-us-central-0\n",
                " 1 ",
                "a+/=\r\n",
                "https://otlp-gateway-prod-us-central-0.grafana.net/otlp/v1/metrics",
                "Basic MTphKy89",
            ),
        ] {
            let cloud = cloud(zone, id, key);
            assert_eq!(cloud.metrics_url(), url);
            assert_eq!(cloud.authorization().expose(), authorization);
        }
    }

    #[test]
    fn each_missing_variable_is_named() {
        for (zone, id, key, missing) in [
            ("", "1", "k", &["GRAFANA_CLOUD_ZONE"][..]),
            ("z", "", "k", &["GRAFANA_CLOUD_INSTANCE_ID"]),
            ("z", "1", "", &["GRAFANA_CLOUD_API_KEY"]),
            ("", "", "k", &["GRAFANA_CLOUD_ZONE", "GRAFANA_CLOUD_INSTANCE_ID"]),
        ] {
            let errors = read(zone, id, key).expect_err("incomplete");
            assert_eq!(errors.problems().len(), missing.len(), "{errors:?}");
            for (error, missing) in errors.problems().iter().zip(missing) {
                let text = error.to_string();
                assert!(
                    text.starts_with(&format!("{missing}: is not set, but GRAFANA_")),
                    "{text}"
                );
                assert!(text.contains("; write "), "{text}");
            }
        }
    }

    #[test]
    fn each_error_says_what_to_write() {
        for (zone, id, key, start, remedy) in [
            ("EU", "1", "k", "GRAFANA_CLOUD_ZONE=`EU`: ", "`prod-eu-west-2`"),
            ("evil.example/", "1", "k", "GRAFANA_CLOUD_ZONE=`evil.example/`: ", "letters, digits"),
            ("-", "1", "k", "GRAFANA_CLOUD_ZONE=`-`: ", "letters, digits"),
            (
                "https://otlp-gateway-prod-us-east-0.grafana.net/otlp",
                "1",
                "k",
                "GRAFANA_CLOUD_ZONE=`https://otlp-gateway-prod-us-east-0.grafana.net/otlp`: ",
                "write `prod-us-east-0`",
            ),
            ("z", "me", "k", "GRAFANA_CLOUD_INSTANCE_ID: ", "is a number"),
            ("z", "1:hunter2", "k", "GRAFANA_CLOUD_INSTANCE_ID: ", "is a number"),
            ("z", "1:2", "k", "GRAFANA_CLOUD_INSTANCE_ID: ", "is a number"),
            ("z", "1", "Basic hunter2", "GRAFANA_CLOUD_API_KEY: ", "token alone"),
            ("z", "1", "hunter2\u{7}", "GRAFANA_CLOUD_API_KEY: ", "copy it again"),
        ] {
            let errors = read(zone, id, key).expect_err(start);
            let [error] = errors.problems() else { panic!("{errors:?}") };
            let text = error.to_string();
            assert!(text.starts_with(start) && text.contains(remedy), "{text}");
            assert!(!format!("{text} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let errors = read("A", "b", "c d").expect_err("all wrong");
        assert_eq!(errors.problems().len(), 3, "{errors:?}");
    }

    #[test]
    fn the_key_is_not_in_debug() {
        let cloud = cloud("z", "1", "hunter2");
        let text = format!("{cloud:?} {:?}", cloud.authorization());
        assert!(text.contains("zone: \"z\"") && !text.contains("hunter2"), "{text}");
        assert!(!text.contains("Basic"), "{text}");
    }
}

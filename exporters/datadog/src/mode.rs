//! The ways that lead to Datadog.

use meterkit_settings::words;

/// How metrics get to Datadog: `METERKIT_DATADOG_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// `api`: straight to Datadog's intake, with an API key. Histograms become real distributions.
    Api,
    /// `agent`: by way of an agent, over DogStatsD.
    Agent,
    /// `otlp`: to Datadog's intake of OTLP with an API key, or else to an agent's.
    Otlp,
}

words! {
    Mode {
        Api = "api",
        Agent = "agent",
        Otlp = "otlp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_read_by_its_name_in_any_case() {
        for mode in [Mode::Api, Mode::Agent, Mode::Otlp] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
            assert_eq!(mode.as_str().to_ascii_uppercase().parse(), Ok(mode));
        }
        let error = "proxy".parse::<Mode>().expect_err("unknown").to_string();
        assert_eq!(error, "`proxy` is unknown; write `api`, `agent` or `otlp`");
    }
}

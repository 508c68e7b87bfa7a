//! The destinations of metrics: intake, agent or OTLP.

use meterkit_settings::words;

/// The way in which metrics reach Datadog. `METERKIT_DATADOG_MODE` selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// `api`: directly to Datadog's intake, with an API key. Histograms become distributions.
    Api,
    /// `agent`: through an agent, over DogStatsD.
    Agent,
    /// `otlp`: to Datadog's OTLP intake with an API key, or to the OTLP port of an agent without one.
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

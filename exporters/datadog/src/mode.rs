//! The ways that lead to Datadog.

use std::fmt;
use std::str::FromStr;

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

impl Mode {
    /// The name that the variable takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Agent => "agent",
            Self::Otlp => "otlp",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In upper or lower case.
impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Api, Self::Agent, Self::Otlp]
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(text))
            .ok_or(ModeError)
    }
}

/// The text is the name of no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this mode is unknown; write `api`, `agent` or `otlp`")]
pub struct ModeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_read_by_its_name_in_any_case() {
        for mode in [Mode::Api, Mode::Agent, Mode::Otlp] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
            assert_eq!(mode.as_str().to_ascii_uppercase().parse(), Ok(mode));
        }
        assert_eq!("proxy".parse::<Mode>(), Err(ModeError));
    }
}

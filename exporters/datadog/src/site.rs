//! Datadog's sites. Each account belongs to one.

use std::fmt;
use std::str::FromStr;

/// A Datadog site, identified by its domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Site {
    /// `datadoghq.com`, the default.
    #[default]
    Us1,
    /// `us3.datadoghq.com`
    Us3,
    /// `us5.datadoghq.com`
    Us5,
    /// `datadoghq.eu`
    Eu1,
    /// `ap1.datadoghq.com`
    Ap1,
    /// `ap2.datadoghq.com`
    Ap2,
    /// `uk1.datadoghq.com`
    Uk1,
    /// `ddog-gov.com`
    Us1Gov,
    /// `us2.ddog-gov.com`
    Us2Gov,
}

impl Site {
    /// All sites that this version knows.
    pub const ALL: [Self; 9] = [
        Self::Us1,
        Self::Us3,
        Self::Us5,
        Self::Eu1,
        Self::Ap1,
        Self::Ap2,
        Self::Uk1,
        Self::Us1Gov,
        Self::Us2Gov,
    ];

    /// Returns the domain, which is also the value of `DD_SITE`.
    pub fn domain(self) -> &'static str {
        match self {
            Self::Us1 => "datadoghq.com",
            Self::Us3 => "us3.datadoghq.com",
            Self::Us5 => "us5.datadoghq.com",
            Self::Eu1 => "datadoghq.eu",
            Self::Ap1 => "ap1.datadoghq.com",
            Self::Ap2 => "ap2.datadoghq.com",
            Self::Uk1 => "uk1.datadoghq.com",
            Self::Us1Gov => "ddog-gov.com",
            Self::Us2Gov => "us2.ddog-gov.com",
        }
    }

    /// Returns the URL of the OTLP intake for metrics, or `None` if Datadog does not document one for this site.
    pub fn otlp_url(self) -> Option<String> {
        match self {
            Self::Us1 | Self::Us3 | Self::Us5 | Self::Eu1 | Self::Ap1 | Self::Ap2 => {
                Some(format!("https://otlp.{}/v1/metrics", self.domain()))
            }
            Self::Uk1 | Self::Us1Gov | Self::Us2Gov => None,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.domain())
    }
}

/// Parses a domain, ignoring case.
impl FromStr for Site {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_meant = |site: &Self| site.domain().eq_ignore_ascii_case(text);
        Self::ALL
            .into_iter()
            .find(is_meant)
            .ok_or_else(|| SiteError { meant: Self::meant_by(text) })
    }
}

impl Site {
    /// Returns the site to which a host or URL belongs, such as the URL of a dashboard.
    fn meant_by(text: &str) -> Option<Self> {
        let host = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = host.split(['/', ':', '?', '#']).next()?.to_ascii_lowercase();
        let of_site = |site: &Self| {
            host.strip_suffix(site.domain())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // `us5.datadoghq.com` ends with `datadoghq.com` too.
        Self::ALL.into_iter().filter(of_site).max_by_key(|site| site.domain().len())
    }
}

/// The error for a text that is not the domain of a known site.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteError {
    meant: Option<Site>,
}

meterkit_rules::debug_as_text!(SiteError);

impl std::error::Error for SiteError {}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a Datadog site; write ")?;
        if let Some(site) = self.meant {
            return write!(f, "`{site}`");
        }
        f.write_str("one of")?;
        for (i, site) in Site::ALL.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator} `{site}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_is_read_by_its_domain_in_any_case() {
        for site in Site::ALL {
            assert_eq!(site.to_string().parse(), Ok(site));
            assert_eq!(site.domain().to_ascii_uppercase().parse(), Ok(site));
        }
    }

    #[test]
    fn the_otlp_intake_is_given_only_where_it_is_documented() {
        let without: Vec<Site> =
            Site::ALL.into_iter().filter(|site| site.otlp_url().is_none()).collect();
        assert_eq!(without, [Site::Uk1, Site::Us1Gov, Site::Us2Gov]);
        let url = Site::Ap2.otlp_url();
        assert_eq!(url.as_deref(), Some("https://otlp.ap2.datadoghq.com/v1/metrics"));
    }

    #[test]
    fn the_error_for_an_unknown_site_lists_the_known_ones() {
        let text = "example.com".parse::<Site>().expect_err("no site").to_string();
        for site in Site::ALL {
            assert!(text.contains(&format!("`{site}`")), "{text}");
        }
    }

    #[test]
    fn the_error_for_a_host_or_url_names_its_site() {
        for (text, site) in [
            ("https://app.datadoghq.eu/dashboard/1", Site::Eu1),
            ("us5.datadoghq.com:443", Site::Us5),
            ("api.us5.datadoghq.com", Site::Us5),
            ("https://datadoghq.com", Site::Us1),
            ("API.DDOG-GOV.COM", Site::Us1Gov),
        ] {
            let error = text.parse::<Site>().expect_err(text);
            assert_eq!(error.to_string(), format!("this is not a Datadog site; write `{site}`"));
        }
        let error = "notdatadoghq.com".parse::<Site>().expect_err("another domain");
        assert_eq!(error.meant, None);
    }
}

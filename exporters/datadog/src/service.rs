//! The tags of all metrics of a process: Datadog's unified service tagging.

use crate::tag::{normal, tag};

/// The tags of every metric: `env`, `service` and `version`, followed by others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTags {
    /// The tag `env`, from `DD_ENV`.
    pub env: Option<String>,
    /// The tag `service`, from `DD_SERVICE`.
    pub service: Option<String>,
    /// The tag `version`, from `DD_VERSION`.
    pub version: Option<String>,
    /// Whole tags, from `DD_TAGS`. They may include the keys `env`, `service` and `version`.
    pub tags: Vec<String>,
}

/// A tag that ties metrics, traces and logs together, and its sources.
pub(crate) struct Unified<'a> {
    pub(crate) key: &'static str,
    pub(crate) value: Option<&'a str>,
    /// Resource attributes that provide the value. The first one that is set is used.
    pub(crate) attributes: &'static [&'static str],
}

impl ServiceTags {
    /// Returns all tags. `resource` looks up an attribute of the resource.
    ///
    /// The value of `env` is that of [`env`](Self::env), or else of a tag in [`tags`](Self::tags), or else of the
    /// resource. The same applies to `service` and `version`.
    pub fn of(&self, resource: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let set = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let mut tags: Vec<String> = Vec::new();
        for unified in self.unified() {
            let is_it = |tag: &&String| key(tag) == unified.key;
            if unified.value.is_none() && self.tags.iter().any(|tag| is_it(&tag)) {
                tags.extend(self.tags.iter().filter(is_it).cloned());
                continue;
            }
            let from_resource = || unified.attributes.iter().find_map(|name| set(resource(name)));
            let value = unified.value.map(str::to_owned).or_else(from_resource);
            tags.extend(value.and_then(|value| tag(unified.key, value.trim())));
        }
        let is_other = |tag: &&String| self.unified().iter().all(|own| own.key != key(tag));
        for tag in self.tags.iter().filter(is_other) {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        tags
    }

    pub(crate) fn unified(&self) -> [Unified<'_>; 3] {
        let environment = &["deployment.environment.name", "deployment.environment"];
        [
            Unified { key: "env", value: self.env.as_deref(), attributes: environment },
            Unified {
                key: "service",
                value: self.service.as_deref(),
                attributes: &["service.name"],
            },
            Unified {
                key: "version",
                value: self.version.as_deref(),
                attributes: &["service.version"],
            },
        ]
    }
}

/// Returns the part of a tag before the first `:`.
pub(crate) fn key(tag: &str) -> &str {
    tag.split(':').next().unwrap_or(tag)
}

/// Parses `DD_TAGS`: `key:value` pairs or plain tags, separated by commas, or by white space if there is no comma.
///
/// # Errors
///
/// Returns an error if a tag does not begin with a letter, because the back end would change or drop it.
pub(crate) fn tags(text: &str) -> Result<Vec<String>, String> {
    let separator = |c: char| if text.contains(',') { c == ',' } else { c.is_whitespace() };
    let entries = text.split(separator).map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            normal(entry).filter(|_| entry.starts_with(char::is_alphabetic)).ok_or_else(|| {
                format!(
                    "`{entry}` does not begin with a letter; \
                     write `key:value` pairs separated by commas, as in `team:shop,region:eu`"
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use meterkit_settings::{Environment, SettingsError};

    use super::*;
    use crate::DatadogConfig;

    fn lookup(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone())
    }

    fn read(variables: &[(&str, &str)]) -> Result<ServiceTags, SettingsError> {
        let mode = ("METERKIT_DATADOG_MODE", "agent");
        let environment = Environment::of(variables.iter().copied().chain([mode]));
        environment.read(DatadogConfig::read).map(|config| config.service_tags)
    }

    fn tags(variables: &[(&str, &str)], resource: &[(&str, &str)]) -> Vec<String> {
        read(variables).unwrap_or_else(|error| panic!("{error}")).of(lookup(resource))
    }

    const RESOURCE: &[(&str, &str)] = &[
        ("service.name", "Shop"),
        ("service.version", "1.2.3"),
        ("deployment.environment.name", "prod"),
        ("deployment.environment", "old"),
    ];

    #[test]
    fn variables_win_over_tags_and_tags_over_the_resource() {
        assert_eq!(tags(&[], &[]), Vec::<String>::new());
        assert_eq!(tags(&[], RESOURCE), ["env:prod", "service:shop", "version:1.2.3"]);
        let only_old = [("deployment.environment", "old")];
        assert_eq!(tags(&[], &only_old), ["env:old"]);

        let in_tags = ("DD_TAGS", "team:a,ENV:tags,version:7");
        assert_eq!(tags(&[in_tags], RESOURCE), ["env:tags", "service:shop", "version:7", "team:a"]);

        let variables =
            [in_tags, ("DD_ENV", " staging "), ("DD_SERVICE", "Cart"), ("DD_VERSION", "")];
        assert_eq!(
            tags(&variables, RESOURCE),
            ["env:staging", "service:cart", "version:7", "team:a"]
        );
    }

    #[test]
    fn tags_stand_between_commas_or_else_between_spaces() {
        for (text, expected) in [
            ("a:1,b:2", &["a:1", "b:2"][..]),
            (" a:1 , b:x y ,, ", &["a:1", "b:x_y"]),
            ("a:1 b:2\tc", &["a:1", "b:2", "c"]),
            ("a:1,a:2,a:1", &["a:1", "a:2"]),
            ("url:http://c:80", &["url:http://c:80"]),
            ("a:", &["a"]),
            ("Team:Ä", &["team:ä"]),
            ("", &[]),
            (" ", &[]),
        ] {
            assert_eq!(tags(&[("DD_TAGS", text)], &[]), expected, "{text}");
        }
    }

    #[test]
    fn the_error_quotes_the_invalid_tag_and_says_what_to_write() {
        for (text, entry) in [("a:1,:b", ":b"), ("9:x", "9:x"), ("a:1 _b", "_b"), ("a, -", "-")] {
            let error = read(&[("DD_TAGS", text)]).expect_err(text);
            let text = error.to_string();
            assert!(text.starts_with("DD_TAGS=`"), "{text}");
            assert!(text.contains(&format!("`{entry}` does not begin with a letter")), "{text}");
            assert!(text.contains("`key:value`"), "{text}");
        }
    }
}

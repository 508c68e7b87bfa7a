//! Tags of everything that a process sends: Datadog's unified service tagging.

use crate::VariableError;
use crate::tag::{normal, tag};

const TAGS: &str = "DD_TAGS";

/// A tag that ties metrics, traces and logs together, and where it comes from.
struct Unified {
    key: &'static str,
    variable: &'static str,
    /// Attributes of the resource, the first that is set.
    attributes: &'static [&'static str],
}

const UNIFIED: [Unified; 3] = [
    Unified {
        key: "env",
        variable: "DD_ENV",
        attributes: &["deployment.environment.name", "deployment.environment"],
    },
    Unified { key: "service", variable: "DD_SERVICE", attributes: &["service.name"] },
    Unified { key: "version", variable: "DD_VERSION", attributes: &["service.version"] },
];

/// The tags that go with every metric: `env`, `service` and `version`, then the others of `DD_TAGS`.
///
/// `env` comes from `DD_ENV`, else from `DD_TAGS`, else from the resource; `service` and `version` likewise.
/// `variable` looks up variables, `resource` attributes of the resource. `DD_TAGS` holds `key:value` pairs or plain
/// tags, between commas, or between spaces when there is no comma.
///
/// # Errors
///
/// When something in `DD_TAGS` does not begin with a letter: the back end would change it or drop it.
pub fn service_tags(
    variable: impl Fn(&str) -> Option<String>,
    resource: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, VariableError> {
    let set = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let given = match set(variable(TAGS)) {
        None => Vec::new(),
        Some(value) => parse(&value).map_err(|reason| VariableError::new(TAGS, value, reason))?,
    };

    let mut tags: Vec<String> = Vec::new();
    for unified in &UNIFIED {
        let from_variable = set(variable(unified.variable));
        if from_variable.is_none() && given.iter().any(|tag| key(tag) == unified.key) {
            tags.extend(given.iter().filter(|tag| key(tag) == unified.key).cloned());
            continue;
        }
        let from_resource = || unified.attributes.iter().find_map(|name| set(resource(name)));
        let value = from_variable.or_else(from_resource);
        tags.extend(value.and_then(|value| tag(unified.key, value.trim())));
    }
    let others = given.into_iter().filter(|tag| UNIFIED.iter().all(|own| own.key != key(tag)));
    for tag in others {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// What is before the first `:`.
pub(crate) fn key(tag: &str) -> &str {
    tag.split(':').next().unwrap_or(tag)
}

fn parse(text: &str) -> Result<Vec<String>, String> {
    let separator = |c: char| if text.contains(',') { c == ',' } else { c.is_whitespace() };
    let entries = text.split(separator).map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            normal(entry).filter(|_| entry.starts_with(char::is_alphabetic)).ok_or_else(|| {
                format!(
                    "`{entry}` does not begin with a letter; \
                     write `key:value` pairs between commas, as in `team:shop,region:eu`"
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone())
    }

    fn tags(variables: &[(&str, &str)], resource: &[(&str, &str)]) -> Vec<String> {
        let tags = service_tags(lookup(variables), lookup(resource));
        tags.unwrap_or_else(|error| panic!("{error}"))
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
    fn a_tag_that_is_none_is_named_with_what_to_write() {
        for (text, entry) in [("a:1,:b", ":b"), ("9:x", "9:x"), ("a:1 _b", "_b"), ("a, -", "-")] {
            let error = service_tags(lookup(&[("DD_TAGS", text)]), lookup(&[])).expect_err(text);
            let text = error.to_string();
            assert!(text.starts_with("DD_TAGS=`"), "{text}");
            assert!(text.contains(&format!("`{entry}` does not begin with a letter")), "{text}");
            assert!(text.contains("`key:value`"), "{text}");
        }
    }
}

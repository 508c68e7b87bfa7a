//! A target of another crate: selecting it takes only its declarations and one line in the list.

use meterkit_pipeline::{ExportFuture, KeyFilter, Snapshot, Target};
use meterkit_settings::{export_interval, settings, token, url};

use super::*;
use crate::settings::filters::filter_settings;
use crate::settings::targets::Pushed;

/// The line in the list.
pub(in crate::settings) const KNOWN: Known =
    Known::pushed(&TARGET, &["ACME_URL"], &filter_settings!("acme", "ACME"));

settings! {
    SETTINGS for Some("acme");

    URL: String = url("ACME_URL").key("url").meaning("where to send to");

    TOKEN: String = token("ACME_TOKEN").key("token").meaning("a token that may write");
}

const TARGET: Pushed = Pushed {
    name: "acme",
    settings: SETTINGS,
    interval: &export_interval("ACME_INTERVAL", "acme"),
    sections: &["acme"],
    read: acme,
    read_section: |_, reader| {
        reader.refuse_others_than(SETTINGS);
        acme(reader)
    },
};

fn acme(reader: &Reader<'_>) -> Option<Box<dyn IntoTarget>> {
    reader.needs(&TOKEN, &URL, "write the token that goes with it");
    let (url, _token) = (reader.get(&URL)?, reader.get(&TOKEN)?);
    Some(Box::new(Acme { url }))
}

#[derive(Debug)]
struct Acme {
    url: String,
}

impl Target for Acme {
    fn name(&self) -> &str {
        "acme"
    }

    fn endpoint(&self) -> String {
        self.url.clone()
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

const URL_IS: (&str, &str) = ("ACME_URL", "http://acme:1");
const TOKEN_IS: (&str, &str) = ("ACME_TOKEN", "hunter2");

#[test]
fn it_is_selected_by_name_or_by_a_variable_of_its_own() {
    for variables in
        [&[("OTEL_METRICS_EXPORTER", "Acme"), URL_IS, TOKEN_IS][..], &[URL_IS, TOKEN_IS]]
    {
        let settings = settings(variables);
        assert!(settings.selection.has("acme"));
        assert_eq!(format!("{:?}", settings.targets), "[Acme { url: \"http://acme:1\" }]");
    }
    assert!(settings(&[TOKEN_IS]).targets.is_empty());
}

#[test]
fn its_problems_interval_and_filter_are_those_of_a_start() {
    assert!(problem(&[URL_IS]).starts_with("ACME_TOKEN: is not set, but ACME_URL is"));
    let text = problem(&[URL_IS, ("ACME_TOKEN", "hunter 2")]);
    assert!(
        text.starts_with("ACME_TOKEN: contains white space") && !text.contains("hunter"),
        "{text}"
    );
    assert!(problem(&[("ACME_INTERVAL", "soon")]).starts_with("ACME_INTERVAL=`soon`: write"));
    let settings = settings(&[("ACME_INTERVAL", "20")]);
    assert_eq!(settings.intervals.get("acme"), Some(&Duration::from_millis(20)));
    assert!(
        problem(&[("ACME_INSTRUMENTS", "http.*,!")])
            .starts_with("ACME_INSTRUMENTS=`http.*,!`: write")
    );
    let settings = self::settings(&[("ACME_LABELS", "!user.*")]);
    let filter = TargetFilter {
        labels: KeyFilter::default().without(["user.*"]),
        ..TargetFilter::default()
    };
    assert_eq!(settings.filters.get("acme"), Some(&filter));
}

#[test]
#[cfg(feature = "config")]
fn a_configuration_file_has_a_section_for_it() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let read_file = |section: &str| {
        let text = format!(
            "file_format: \"1.0\"\nmeter_provider:\n  readers:\n    - periodic:\n        exporter:\n          \
             acme: {section}\n"
        );
        std::fs::write(file.path(), text).expect("room for it");
        read(&[("OTEL_CONFIG_FILE", file.path().to_str().expect("a path of letters"))])
    };
    let settings = read_file("{url: \"http://acme:1\", token: hunter2}").expect("a good file");
    let configured = settings.configured.expect("there is a file");
    let (target, ..) = configured.targets.into_iter().next().expect("a target");
    assert_eq!(target.into_target().expect("a target").endpoint(), "http://acme:1");
    let error = read_file("{url: \"http://acme:1\", tokn: hunter2}").expect_err("a typo");
    let text = error.to_string();
    assert!(text.contains("exporter.acme.tokn: is unknown; write `token`"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

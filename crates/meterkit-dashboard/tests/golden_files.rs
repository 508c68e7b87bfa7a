//! The output for a small catalog equals the files in `golden/`, so that a change shows its effect on a dashboard.
//! `METERKIT_UPDATE_DASHBOARDS=1 cargo test -p meterkit-dashboard` updates the files.

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use meterkit_core::Catalog;
use meterkit_dashboard::{Dashboard, Histograms, Provisioning, Rules};

use crate::catalog;

/// The variable that makes the test write the files instead of comparing them, unless it is empty or `0`.
const UPDATE: &str = "METERKIT_UPDATE_DASHBOARDS";

fn dashboard() -> Dashboard {
    Dashboard::new("Shop").namespace("backstage").description("All of the shop.").of(&catalog())
}

/// Returns all files with their contents.
fn texts() -> Vec<(String, String)> {
    let shop = dashboard().with_self_metrics().link("Runbook", "https://example.com/${service}");
    let native = dashboard().histograms(Histograms::Native);
    let provisioning = Provisioning::new("http://prometheus:9090").dashboard(&shop);
    let mut texts = vec![
        ("classic.json".to_owned(), shop.to_classic_json()),
        ("v2.json".to_owned(), shop.to_v2_json()),
        ("native.json".to_owned(), native.to_classic_json()),
        ("recorded.json".to_owned(), dashboard().recorded_quantiles().to_classic_json()),
    ];
    let rules = Rules::of(&catalog()).job("shop").availability(0.999).unwrap();
    let rules = rules.latency(Duration::from_millis(300), 0.99).unwrap();
    texts.extend(rules.files());
    let folder = provisioning.files().into_iter().filter(|(path, _)| path.ends_with(".yaml"));
    texts.extend(folder.map(|(path, text)| (path.replace('/', "-"), text)));
    texts
}

#[test]
fn output_matches_the_files_that_are_checked_in() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let is_update = env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0");
    for (file, text) in texts() {
        let path = golden.join(&file);
        if is_update {
            fs::write(&path, text).unwrap();
            continue;
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        let mut pairs = known.lines().zip(text.lines()).enumerate();
        let differs = pairs.find(|(_, (known, now))| known != now);
        assert!(
            known == text,
            "{file} has changed, first in {differs:?}. If this is intended, update the file:\n  \
             {UPDATE}=1 cargo test -p meterkit-dashboard",
        );
    }
}

#[test]
fn the_same_catalog_produces_the_same_bytes_in_any_order() {
    let all = catalog();
    let mut reversed = catalog();
    reversed.entries.reverse();
    let (mut some, mut others) = (catalog(), catalog());
    some.entries.retain(|entry| entry.kind == "gauge");
    others.entries.retain(|entry| entry.kind != "gauge");

    let of = |catalogs: &[&Catalog]| {
        let empty = Dashboard::new("Shop");
        let dashboard = catalogs.iter().fold(empty, |dashboard, it| dashboard.of(it));
        (dashboard.to_classic_json(), dashboard.to_v2_json())
    };
    let expected = of(&[&all]);
    assert_eq!(of(&[&all]), expected, "again");
    assert_eq!(of(&[&reversed]), expected, "reversed");
    assert_eq!(of(&[&some, &others]), expected, "in two parts");
    assert_eq!(of(&[&all, &all]), expected, "twice");

    let rules = Rules::of(&all).job("a").job("b");
    assert_eq!(Rules::of(&reversed).job("b").job("a").files(), rules.files());
}

#[test]
fn panels_keep_their_numbers_when_others_come_and_go() {
    let mut fewer = catalog();
    fewer.entries.remove(0);
    let numbers = |catalog: &Catalog| {
        let json = Dashboard::new("Shop").of(catalog).to_v2_json();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let elements = json["spec"]["elements"].as_object().unwrap().clone();
        elements.into_iter().map(|(_, panel)| panel["spec"].clone()).collect::<Vec<_>>()
    };
    let all = numbers(&catalog());
    let fewer = numbers(&fewer);
    assert_eq!(fewer.len() + 1, all.len());
    for panel in fewer {
        let same =
            |it: &&serde_json::Value| it["title"] == panel["title"] && it["id"] == panel["id"];
        assert!(all.iter().any(|it| same(&it)), "{} has another number", panel["title"]);
    }
}

#[test]
fn the_identifier_depends_only_on_title_and_namespace() {
    let uid = Dashboard::new("Shop").namespace("backstage").uid();
    assert_eq!(dashboard().with_self_metrics().uid(), uid, "independent of the content");
    assert_ne!(Dashboard::new("Shop").uid(), uid);
    assert_ne!(Dashboard::new("Shop 2").namespace("backstage").uid(), uid);
    assert!(uid.len() <= 40 && uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{uid}");
}

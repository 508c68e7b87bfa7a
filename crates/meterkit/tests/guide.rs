//! The guide is complete: each page has a module, each target a page, and links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use meterkit::settings::declarations;

/// Links to the pages as links to their modules, which rustdoc reads before each page.
const LINKS: &str = "links.md";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guide")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the paths of all pages below the folder of the guide, with `/` between their parts.
fn pages() -> BTreeSet<String> {
    let mut pages = BTreeSet::new();
    for folder in ["", "deploying/", "migration/"] {
        let entries = fs::read_dir(guide().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let is_page = |name: &String| name.ends_with(".md") && name != LINKS;
        pages.extend(names.filter(is_page).map(|name| format!("{folder}{name}")));
    }
    pages
}

/// Returns the label and the destination of each link definition, `[label]: destination`.
fn definitions(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('['));
    lines.filter_map(|line| line.split_once("]: ")).collect()
}

/// Returns the module of a page, as `links.md` and `src/guide.rs` name it.
fn module(page: &str) -> String {
    let path = page.trim_end_matches(".md").trim_end_matches("README").trim_end_matches('/');
    let parts = path.split('/').filter(|part| !part.is_empty()).map(|part| part.replace('-', "_"));
    ["crate", "guide"].into_iter().map(str::to_owned).chain(parts).collect::<Vec<_>>().join("::")
}

#[test]
fn each_page_has_a_module_and_a_link() {
    let (links, source) = (read(guide().join(LINKS)), read(guide().join("../src/guide.rs")));
    let expected: BTreeSet<_> = pages().into_iter().map(|page| (module(&page), page)).collect();
    let found = definitions(&links).into_iter();
    let found: BTreeSet<_> = found.map(|(page, module)| (module.into(), page.into())).collect();
    assert_eq!(found, expected, "{LINKS}");
    for (_, page) in expected {
        assert!(source.contains(&format!("{page}\"")), "src/guide.rs lacks {page}");
    }
}

#[test]
fn each_page_can_be_reached_from_the_index() {
    let (mut reached, mut next) = (BTreeSet::new(), vec!["README.md".to_owned()]);
    while let Some(page) = next.pop() {
        // The other pages are reached from an index, so that readers need not find them by chance.
        if reached.insert(page.clone()) && page.ends_with("README.md") {
            let text = read(guide().join(&page));
            next.extend(definitions(&text).into_iter().map(|(label, _)| label.to_owned()));
        }
    }
    assert_eq!(reached, pages(), "pages that an index links to, and pages that exist");
}

#[test]
fn links_between_pages_lead_to_the_page_that_they_name() {
    for page in pages() {
        let text = read(guide().join(&page));
        assert!(text.starts_with("# "), "{page} begins without a title");
        let folder = guide().join(&page).parent().unwrap().to_owned();
        let defined = definitions(&text);
        for (label, destination) in &defined {
            let [there, named] = [folder.join(destination), guide().join(label)];
            let same = fs::canonicalize(&there).ok() == fs::canonicalize(&named).ok();
            assert!(there.is_file() && same, "{page}: [{label}]: {destination}");
        }
        let to_module = text.find("](crate::guide").map(|at| &text[at..]);
        assert!(to_module.is_none(), "{page}: write `][page.md]`, and define it: {to_module:?}");
        for used in text.split("][").skip(1).filter_map(|rest| rest.split(']').next()) {
            let is_defined = defined.iter().any(|(label, _)| *label == used);
            assert!(!used.ends_with(".md") || is_defined, "{page} does not define [{used}]");
        }
    }
}

#[test]
fn files_that_pages_name_exist() {
    let folders = ["crates/", "examples/", "exporters/", "integration-tests/"];
    for page in pages() {
        let text = read(guide().join(&page));
        for path in text.split('`').filter(|code| folders.iter().any(|it| code.starts_with(it))) {
            // A command or a pattern is no path.
            if !path.contains([' ', '*', '\n']) {
                assert!(workspace().join(path).exists(), "{page} names {path}");
            }
        }
    }
}

#[test]
fn each_target_has_a_page_that_names_its_feature() {
    let index = read(guide().join("deploying/README.md"));
    let readme = read(workspace().join("README.md"));
    for feature in declarations().filter_map(|it| it.feature()).collect::<BTreeSet<_>>() {
        let code = format!("`{feature}`");
        let row = index.lines().find(|line| line.starts_with(&format!("| {code}")));
        let row = row.unwrap_or_else(|| panic!("deploying/README.md lacks the target {feature}"));
        let (_, page) = row.rsplit_once("][").unwrap_or_else(|| panic!("{row}"));
        let page = page.split(']').next().unwrap();
        let text = read(guide().join(page));
        let is_named = text.contains(&code) || text.contains(&format!("\"{feature}\""));
        assert!(is_named, "{page} does not name the feature {feature}");
        let row = readme.lines().find(|line| line.contains(&format!(" | {code}")));
        let row = row.unwrap_or_else(|| panic!("README.md lacks the target {feature}"));
        assert!(row.contains(&format!("guide/{page}")), "{row}");
    }
}

#[test]
fn the_front_page_of_the_documentation_lists_each_feature() {
    let manifest = read(guide().join("../Cargo.toml"));
    let features = manifest.split("[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let features = features.lines().filter_map(|line| Some(line.split_once(" = [")?.0));
    let source = read(guide().join("../src/lib.rs"));
    let rows: Vec<_> = source.lines().filter_map(|line| line.strip_prefix("//! | ")).collect();
    for feature in features.filter(|name| *name != "default") {
        let cell = format!("`{feature}`");
        let is_listed = |row: &&str| row.split(" | ").next().is_some_and(|it| it.contains(&cell));
        assert!(rows.iter().any(is_listed), "src/lib.rs lacks the feature {feature}");
    }
}

//! The guide's table of integrations lists the versions that tests are built with, and names existing tests.

use std::fs;
use std::path::Path;

#[test]
fn each_neighbor_has_the_version_that_is_tested_and_a_test() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let read = |file: &str| fs::read_to_string(workspace.join(file)).expect(file);
    let (page, lock) = (read("crates/meterkit/guide/neighbors.md"), read("Cargo.lock"));
    let (_, section) = page.split_once("\n## Neighbors\n").expect("the section");
    let table = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows: Vec<_> = table.skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 10, "{rows:#?}");
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, version, _, tests, _] = cells[..] else { panic!("{row}") };
        let locked = format!("\nname = \"{}\"\nversion = \"{version}", name.trim_matches('`'));
        let after = lock.split_once(&locked).map(|(_, after)| after.chars().next());
        assert!(matches!(after, Some(Some('.' | '"'))), "{name} {version} is not in Cargo.lock");
        let files: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!files.is_empty(), "{row}");
        for file in files {
            assert!(file.ends_with(".rs") && workspace.join(file).is_file(), "{name}: {file}");
        }
    }
}

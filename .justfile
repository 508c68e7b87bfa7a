# Every maintenance command. `just` lists them; without `just`, copy the lines below a name. All run from the top level.

[private]
default:
    @just --list --unsorted

# --- Checks ---

# Check an edit: house rules, formatting, lints and tests of the crates that differ from main.
quick:
    bash .ci/run --quick

# Check everything that must pass before a change lands.
run:
    bash .ci/run

# Run the soak, tests at full size, fuzzing and release builds.
long:
    bash .ci/long

# Show that the models of the cells find cells that are broken on purpose.
mutants *names:
    bash .ci/mutants {{ names }}

# Measure build time and size of the quickstart, next to metrics-exporter-prometheus.
size:
    bash .ci/size

# Check licenses, sources, duplicates and Rust versions of dependencies, by the lists in .ci/deny.toml.
dependencies:
    .ci/dependencies

# Compile the crates with the oldest supported Rust.
oldest-rust:
    .ci/oldest-rust

# Print `--exclude NAME` for each crate that is not published, for commands of cargo.
unpublished:
    .ci/unpublished

# Compare instruction and allocation counts with crates/meterkit-bench/instructions.txt.
instructions:
    crates/meterkit-bench/instructions --check

# Mutate every corpus for the given time, in search of inputs that do harm.
fuzz seconds="60":
    METERKIT_FUZZ_SECONDS={{ seconds }} cargo test -p meterkit --all-features --test main fuzz:: -- --ignored --nocapture

# Point out phrases that read like a translation, and what to write instead; --count for the number per file.
prose *arguments:
    .ci/prose {{ arguments }}

# Check the spelling. Words that are misspelled on purpose are listed in .ci/typos.toml.
spelling *files:
    .ci/spelling {{ files }}

# Build the documentation as .ci/run does, with warnings as errors.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# Install the servers that the integration tests talk to.
peers *names="all":
    integration-tests/peers {{ names }}

# --- Generated files: write them again after an intended change, and read the diff ---

# Write every generated file that takes minutes at most; not counts, figures and pictures.
update: update-api update-variables update-log-lines update-errors update-catalog update-dashboards update-deploy update-golden

# Write crates/meterkit/api.txt, the public API.
update-api:
    METERKIT_UPDATE_API=1 cargo test -p meterkit --all-features --test main public_api

# Write the tables of settings in the documents.
update-variables:
    METERKIT_UPDATE_VARIABLES=1 cargo test -p meterkit --lib --all-features

# Write crates/meterkit/log_lines.txt, all lines of the log.
update-log-lines:
    METERKIT_UPDATE_LOG_LINES=1 cargo test -p meterkit --all-features --test main log_lines

# Write the compile errors of the derives, crates/meterkit-macros/tests/ui/*.stderr.
update-errors:
    TRYBUILD=overwrite cargo test -p meterkit-macros --test compile_errors

# Write examples/catalog-service/metrics.md, the catalog of the example.
update-catalog:
    METERKIT_UPDATE_CATALOG=1 cargo test -p catalog-service --test main catalog

# Write the dashboards and rules in crates/meterkit-dashboard/tests/golden/.
update-dashboards:
    METERKIT_UPDATE_DASHBOARDS=1 cargo test -p meterkit-dashboard

# Write the generated files below examples/deploy/.
update-deploy:
    METERKIT_UPDATE_DEPLOY=1 cargo test -p catalog-service --test main deploy_files

# Write the scrapes in exporters/prometheus/tests/golden/.
update-golden:
    METERKIT_UPDATE_GOLDEN=1 cargo test -p meterkit-prometheus --all-features --test main golden

# Write instructions.txt for the given cases, or for all. The commit says why a growth is worth it.
update-instructions *cases:
    crates/meterkit-bench/instructions --update {{ cases }}

# Measure all figures again (half an hour on an idle machine) and write them into the documents: METERKIT_UPDATE_FIGURES.
update-figures *benches:
    crates/meterkit-bench/figures {{ benches }}

# Take the pictures of the live page, with a browser.
update-pictures:
    METERKIT_UPDATE_PICTURES=1 cargo test -p integration-tests --test main by_night

# --- Release ---

# Check that a release is ready; with --prepare VERSION or --publish --tested, make it. See CONTRIBUTING.
release *arguments:
    bash .ci/release {{ arguments }}

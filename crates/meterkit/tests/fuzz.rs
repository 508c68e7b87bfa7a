//! Whatever scrapers, files, variables and receivers send, nothing panics, hangs or shows a secret.
//!
//! Each test takes a corpus, the files in `tests/corpora`, and replays it unchanged and with a few mutations. The
//! ignored variants mutate it for a minute each, or for `METERKIT_FUZZ_SECONDS` seconds, with different mutations in
//! each run; `.ci/long` runs them. An input that fails is printed and should be added to the corpus.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meterkit_fakes::Dice;

use self::mutation::mutate;

mod inputs;
mod mutation;
mod named;
mod receiver;
mod replies;
mod scraper;

/// The number of mutations of each file in a normal test run.
const CHANGES: usize = 20;

macro_rules! corpora {
    ($($name:ident: $test:expr;)*) => {$(
        mod $name {
            #[test]
            fn the_corpus_does_no_harm() {
                super::replay(stringify!($name), &mut $test);
            }

            #[test]
            #[ignore = "it takes a minute: `.ci/long` runs it"]
            fn fuzz() {
                super::fuzz(stringify!($name), &mut $test);
            }
        }
    )*};
}

corpora! {
    scrapes: crate::fuzz::scraper::requests();
    scrape_preferences: crate::fuzz::scraper::preferences();
    names: crate::fuzz::named::in_every_format;
    configurations: crate::fuzz::inputs::configuration;
    environments: crate::fuzz::inputs::environment;
    expositions: crate::fuzz::inputs::exposition;
    spool_files: crate::fuzz::inputs::spool_files();
    replies_to_otlp_http: crate::fuzz::replies::to(crate::fuzz::replies::otlp_http);
    replies_to_otlp_grpc: crate::fuzz::replies::to(crate::fuzz::replies::otlp_grpc);
    replies_to_datadog: crate::fuzz::replies::to(crate::fuzz::replies::datadog);
    replies_to_remote_write: crate::fuzz::replies::to(crate::fuzz::replies::remote_write);
    replies_to_publishing: crate::fuzz::replies::to_publishing();
}

/// Tries each file of the corpus, and the same few mutations of it each time.
fn replay(corpus: &str, test: &mut dyn FnMut(&[u8])) {
    let files = files(corpus);
    let mut dice = Dice(1);
    for file in &files {
        attempt(test, file);
        (0..CHANGES).for_each(|_| attempt(test, &mutate(file, &files, &mut dice)));
    }
}

/// Tries mutations of the corpus until the time is over.
fn fuzz(corpus: &str, test: &mut dyn FnMut(&[u8])) {
    let seconds = env::var("METERKIT_FUZZ_SECONDS").map_or(60, |it| it.parse().expect("a number"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let (files, mut dice, mut count) = (files(corpus), Dice(seed), 0);
    while Instant::now() < end {
        let file = &files[dice.below(files.len() as u64) as usize];
        attempt(test, &mutate(file, &files, &mut dice));
        count += 1;
    }
    println!("{corpus}: {count} inputs, with seed {seed}");
}

fn attempt(test: &mut dyn FnMut(&[u8]), input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| test(input)));
    if outcome.is_err() {
        panic!("the input was b\"{}\"", input.escape_ascii());
    }
}

fn files(corpus: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(corpus);
    let entries = fs::read_dir(directory).expect("there is a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    // Use the same order on every machine.
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read(path).expect("a file")).collect()
}

/// Fails if a message would spoil a log.
fn assert_shown(error: &dyn std::fmt::Display) {
    let mut text = String::new();
    write!(text, "{error}").expect("it is written");
    assert!(text.len() < 3000, "{} bytes", text.len());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(!text.contains(replies::SECRET), "{text}");
}

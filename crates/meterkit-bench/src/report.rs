//! Writes the figures of `figures.txt` into the documents, and tests that the documents are up to date.
//!
//! `METERKIT_UPDATE_FIGURES=FILE cargo test -p meterkit-bench --lib report` first copies the figures that benchmarks
//! appended to that file into `figures.txt`. The script `figures` does all of this.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::figures::{Figure, medians};

/// The other libraries, in the order of the columns.
const LIBRARIES: [&str; 6] =
    ["opentelemetry", "prometheus", "prometheus-client", "metrics", "measured", "fastmetrics"];

const ALONE: &str = "one thread, ours against other libraries";
const PAIR: &str = "two threads on one series, per call and thread";
const API: &str = "one thread, ours against the floor and OpenTelemetry's API";
const API_PAIR: &str = "two threads, ours against the floor and OpenTelemetry's API";
const SEVERAL: &str =
    "processor time per call, several threads on one series (ours) against one (theirs)";
const TARGETS: &str = "three targets (ours) against one target (theirs)";
const SCRAPE: &str = "collect and write text, ours against opentelemetry-prometheus";
const PAGES: &str = "collect and write text, ours against other libraries";
const OBSERVED: &str =
    "collect, one callback that reports all series (ours) against others (theirs)";
const OTLP: &str = "collect and post over OTLP, ours against opentelemetry-otlp";
const DATADOG: &str = "payloads for Datadog, ours in protobuf against a model in JSON";
const REMOTE_WRITE: &str = "requests of remote write 2.0, ours against prost";
const BYTES: &str = "live bytes per series";
const ALLOCATIONS: &str = "allocations per call";
const INSTRUCTIONS: &str = "instructions per call";

/// The maximum number of stripes of a counter: see `meterkit-core/src/store/stripes.rs`.
const STRIPES: f64 = 16.0;

/// A row of the summary: its title, the table and the work that it comes from, and the benchmark.
type Line = (&'static str, &'static str, &'static str, &'static str);

const SUMMARY: &[Line] = &[
    ("counter, on a handle", ALONE, "counter", "peers"),
    ("counter, labels are three enums", ALONE, "closed set of 3", "peers"),
    ("counter, labels are three `&'static str`", ALONE, "3 static texts, 64 sets", "peers"),
    ("counter, labels are three strings, the same each call", ALONE, "3 strings", "peers"),
    ("counter, labels are two static texts and a string", ALONE, "3 texts, 1 at run time", "peers"),
    ("counter, labels are three newly allocated strings", ALONE, "3 fresh strings", "peers"),
    ("histogram, on a handle", ALONE, "histogram", "peers"),
    ("OpenTelemetry's API, three attributes", API, "Counter::add, 3 kept attributes", "recording"),
    ("counter, two threads on one series", SEVERAL, "counter, two threads", "recording"),
    ("counter, four threads on one series", SEVERAL, "counter, four threads", "recording"),
    ("histogram, two threads on one series", SEVERAL, "histogram, two threads", "recording"),
    ("histogram, four threads on one series", SEVERAL, "histogram, four threads", "recording"),
    ("scrape of 10,000 counters", PAGES, "10,000 counters", "scrape"),
    ("scrape of 10,000 counters", SCRAPE, "10,000 counters", "scrape"),
    ("scrape of 10,000 histograms", PAGES, "10,000 histograms", "scrape"),
    ("scrape of 10,000 histograms", SCRAPE, "10,000 histograms of 12 buckets", "scrape"),
    ("scrape of 10,000 instruments", PAGES, "10,000 instruments", "scrape"),
    ("scrape of 10,000 instruments", SCRAPE, "10,000 instruments", "scrape"),
    ("memory of a counter series", BYTES, "counter series", "memory"),
    ("memory of a histogram series", BYTES, "histogram series", "memory"),
    ("memory of an instrument without labels", BYTES, "instrument without labels", "memory"),
    (
        "OTLP export of 11,000 series",
        OTLP,
        "10,000 counters and 1,000 histograms of 15 buckets",
        "export",
    ),
    ("Datadog payload of 10,000 counts", DATADOG, "10,000 counts, plain", "datadog"),
    ("remote write of 10,000 counters", REMOTE_WRITE, "10,000 counters", "remote_write"),
];

/// The rows of the README's comparison: the title, and the table and the work that it comes from.
const COMPARED: &[(&str, &str, &str)] = &[
    ("counter, on a handle", ALONE, "counter"),
    ("counter, three labels of enums and `bool`", ALONE, "closed set of 3"),
    ("counter, three labels of strings", ALONE, "3 strings"),
    ("histogram, on a handle", ALONE, "histogram"),
    ("scrape of 10,000 counters", PAGES, "10,000 counters"),
    ("scrape of 10,000 instruments", PAGES, "10,000 instruments"),
    ("memory of a counter series", BYTES, "counter series"),
    ("memory of a histogram series", BYTES, "histogram series"),
];

/// The columns of the README's comparison.
const COMPARED_WITH: [&str; 4] = ["metrics", "prometheus-client", "opentelemetry", "prometheus"];

/// The figures, and the lines before them that describe the machine.
struct Report {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Report {
    fn rows<'a>(&'a self, table: &str, work: &str) -> impl Iterator<Item = &'a Figure> {
        let is_row = move |row: &&Figure| row.table == table && work_of(row) == work;
        self.figures.iter().filter(is_row).collect::<Vec<_>>().into_iter()
    }

    /// Returns the row in which the other side is best. Libraries come before plain Rust.
    fn best(&self, table: &str, work: &str) -> Option<&Figure> {
        let is_other = |row: &Figure| !LIBRARIES.contains(&row.sides().1);
        self.rows(table, work).min_by(|one, other| {
            let by_time = || one.theirs.total_cmp(&other.theirs);
            is_other(one).cmp(&is_other(other)).then_with(by_time)
        })
    }

    /// Returns the works of a table, in order.
    fn works(&self, table: &str) -> Vec<&str> {
        let mut works = Vec::new();
        for row in self.figures.iter().filter(|row| row.table == table) {
            if !works.contains(&work_of(row)) {
                works.push(work_of(row));
            }
        }
        works
    }

    /// Returns the contents of the block with this name.
    fn block(&self, name: &str) -> String {
        match name {
            "machine" => self.notes.join("\n\n") + "\n",
            "summary" => self.summary(),
            "one thread" => self.matrix(ALONE),
            "two threads" => self.matrix(PAIR),
            "recording" => self.pairs(&[API, API_PAIR, SEVERAL, TARGETS]),
            "pages" => self.matrix(PAGES),
            "scrape" => self.pairs(&[SCRAPE, OBSERVED]),
            "export" => self.pairs(&[OTLP, DATADOG, REMOTE_WRITE]),
            "memory" => self.matrix(BYTES),
            "allocations" => self.matrix(ALLOCATIONS),
            "instructions" => self.matrix(INSTRUCTIONS),
            "a request" => self.request(),
            "a million series" => self.million(),
            "64 threads" => self.threads(),
            _ => panic!("no block is named `{name}`"),
        }
    }

    fn summary(&self) -> String {
        let mut text = head(&["work", "meterkit", "best other", "ratio", "at most", "bench"]);
        let mut last = "";
        for (what, table, work, bench) in SUMMARY {
            // If a work occurs twice, the second entry is for figures that the first one lacks.
            if *what == last {
                continue;
            }
            if let Some(best) = self.best(table, work) {
                let other = match best.sides().1 {
                    "" => theirs_of(table).to_owned(),
                    "one" => "one thread".to_owned(),
                    "the SDK's" => "the SDK".to_owned(),
                    other => other.to_owned(),
                };
                let other = format!("{} ({other})", quantity(table, best.theirs));
                let (ours, ratio) = (quantity(table, best.ours), format!("{:.2}", best.ratio));
                text += &row(&[what, &ours, &other, &ratio, &bound(best), &format!("`{bench}`")]);
                last = what;
            }
        }
        text
    }

    /// Returns a table with a column for each library.
    fn matrix(&self, table: &str) -> String {
        let mut columns = vec!["work", "meterkit"];
        columns.extend(LIBRARIES);
        let mut text = head(&columns);
        for work in self.works(table) {
            let rows: Vec<&Figure> = self.rows(table, work).collect();
            let cell = |library: &&str| {
                let row = rows.iter().find(|row| row.sides().1 == *library);
                row.map_or_else(String::new, |row| quantity(table, row.theirs))
            };
            let others: Vec<String> = LIBRARIES.iter().map(cell).collect();
            if others.iter().any(|cell| !cell.is_empty()) {
                let ours = medians_of(rows.iter().map(|row| row.ours));
                let mut cells = vec![work.to_owned(), quantity(table, ours)];
                cells.extend(others);
                text += &row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        text
    }

    /// Returns the rows of the README's comparison that have figures.
    fn compared(&self) -> Vec<String> {
        let row_of = |(what, table, work): &(&str, &str, &str)| {
            let rows: Vec<&Figure> = self.rows(table, work).collect();
            let scraped = || (*table == PAGES).then(|| self.rows(SCRAPE, work).next())?;
            let cell = |library: &str| {
                let named = rows.iter().copied().find(|row| row.sides().1 == library);
                let other = named.or_else(|| scraped().filter(|_| library == "opentelemetry"));
                other.map_or_else(String::new, |row| quantity(table, row.theirs))
            };
            let ours = medians_of(rows.iter().map(|row| row.ours));
            let mut cells = vec![(*what).to_owned(), quantity(table, ours)];
            cells.extend(COMPARED_WITH.map(cell));
            row(&cells.iter().map(String::as_str).collect::<Vec<_>>())
        };
        COMPARED.iter().map(row_of).collect()
    }

    /// Returns the rows of tables that have a single other side.
    fn pairs(&self, tables: &[&str]) -> String {
        let mut text = String::new();
        for table in tables {
            text += &head(&[table, "ours", "theirs", "ratio", "at most"]);
            for figure in self.figures.iter().filter(|row| row.table == *table) {
                let [ours, theirs] = [figure.ours, figure.theirs].map(|it| quantity(table, it));
                let ratio = format!("{:.2}", figure.ratio);
                text += &row(&[&figure.name, &ours, &theirs, &ratio, &bound(figure)]);
            }
            text.push('\n');
        }
        text.trim_end().to_owned() + "\n"
    }

    /// Returns the cost that ten recordings add to a request.
    fn request(&self) -> String {
        let mut text =
            head(&["", "time per request", "share of a core at 10,000 requests a second"]);
        let libraries = [""].into_iter().chain(LIBRARIES);
        for library in libraries {
            let each = |work| {
                let mut rows = self.rows(ALONE, work).peekable();
                rows.peek()?;
                match library {
                    "" => Some(medians_of(rows.map(|row| row.ours))),
                    _ => rows.find(|row| row.sides().1 == library).map(|row| row.theirs),
                }
            };
            let all = || {
                Some(6.0 * each("3 strings")? + 2.0 * each("counter")? + 2.0 * each("histogram")?)
            };
            if let Some(nanos) = all() {
                let name = if library.is_empty() { "meterkit" } else { library };
                let share = format!("{:.2} %", nanos * 1e4 / 1e9 * 100.0);
                text += &row(&[name, &time(nanos), &share]);
            }
        }
        text
    }

    /// Returns the cost of a million counter series.
    fn million(&self) -> String {
        let mut text = head(&["1,000,000 counter series", "meterkit", "best other"]);
        if let Some(series) = self.best(BYTES, "counter series") {
            let megabytes = |bytes: f64| format!("{bytes:.0} MB");
            let other = format!("{} ({})", megabytes(series.theirs), series.sides().1);
            text += &row(&["memory", &megabytes(series.ours), &other]);
        }
        let measured = self.best(PAGES, "1,000,000 counters").map(|it| (it, 1.0, "measured"));
        let guess = |it| (it, 100.0, "100 times that of 10,000");
        let smaller =
            || self.best(PAGES, "10,000 counters").or_else(|| self.best(SCRAPE, "10,000 counters"));
        if let Some((scrape, times, how)) = measured.or_else(|| smaller().map(guess)) {
            let whose = match scrape.sides().1 {
                "" => theirs_of(&scrape.table),
                library => library,
            };
            let [ours, theirs] = [scrape.ours, scrape.theirs].map(|nanos| nanos * times);
            let other = format!("{} ({whose})", time(theirs));
            text += &row(&[&format!("time of a scrape, {how}"), &time(ours), &other]);
            let share = |nanos: f64| format!("{:.1} %", nanos / 15e9 * 100.0);
            let what = "share of a core, a scrape every 15 s";
            text += &row(&[what, &share(ours), &format!("{} ({whose})", share(theirs))]);
        }
        text
    }

    /// Returns the model of many threads: the cost on one thread, times the ratios measured with two and four threads.
    fn threads(&self) -> String {
        let mut text = head(&["threads on one counter", "meterkit", "one shared atomic"]);
        let (Some(two), Some(four), Some(shared)) = (
            self.best(SEVERAL, "counter, two threads"),
            self.best(SEVERAL, "counter, four threads"),
            self.rows(API_PAIR, "counter").find(|row| row.sides().1 == "AtomicU64::fetch_add"),
        ) else {
            return text;
        };
        let one = two.theirs;
        let transfer = shared.theirs / 2.0;
        text += &row(&["1, measured", &time(one), &time(one)]);
        text += &row(&["2, measured", &time(two.ours), &time(shared.theirs)]);
        text += &row(&["4, measured (on two cores)", &time(four.ours), ""]);
        for threads in [16.0, 64.0] {
            let alone = one * two.ratio.max(four.ratio);
            let sharing = f64::max(threads / STRIPES, 1.0);
            let ours = if sharing > 1.0 { alone.max(transfer * sharing) } else { alone };
            let what = format!("{threads}, model");
            text += &row(&[&what, &time(ours), &time(transfer * threads)]);
        }
        text
    }
}

/// Returns the work of a row, without the relative length of pages in its name.
fn work_of(row: &Figure) -> &str {
    let (work, _) = row.sides();
    let of_pages = work.strip_suffix(" times the bytes").and_then(|it| it.rsplit_once(", "));
    of_pages.map_or(work, |(work, _)| work)
}

/// Returns the other side of a table whose rows do not name it.
fn theirs_of(table: &str) -> &str {
    let (_, theirs) = table.split_once(" against ").unwrap_or_default();
    theirs
}

fn bound(figure: &Figure) -> String {
    figure.bound.map_or_else(String::new, |bound| {
        let missed = if figure.ratio > bound { ", missed" } else { "" };
        format!("{bound:.2}{missed}")
    })
}

fn medians_of(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Returns a value with the unit of its table.
fn quantity(table: &str, value: f64) -> String {
    match table {
        BYTES => format!("{value:.0} B"),
        ALLOCATIONS => format!("{value:.0}"),
        INSTRUCTIONS => format!("{value:.0}"),
        _ => time(value),
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}

fn head(columns: &[&str]) -> String {
    row(columns) + "|" + &"---|".repeat(columns.len()) + "\n"
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> Report {
    let text = fs::read_to_string(path).unwrap();
    let notes = text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned);
    Report { figures: text.lines().filter_map(Figure::from_line).collect(), notes: notes.collect() }
}

/// Merges new figures, which replace all rows of their tables.
fn merged(old: Vec<Figure>, new: &[Figure]) -> Vec<Figure> {
    let is_kept = |row: &Figure| !new.iter().any(|it| it.table == row.table);
    old.into_iter().filter(is_kept).chain(medians(new)).collect()
}

/// Replaces the text between `<!-- figures: NAME -->` and `<!-- end -->`.
fn with_blocks(text: &str, block: impl Fn(&str) -> String) -> String {
    const END: &str = "<!-- end -->";
    let mut parts = text.split("<!-- figures: ");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").expect("a marker ends");
        let (_, rest) = rest.split_once(END).expect("a block ends");
        written += &format!("<!-- figures: {name} -->\n\n{}\n{END}{rest}", block(name));
    }
    written
}

mod tests {
    use super::*;

    #[test]
    fn the_documents_have_the_figures_of_the_file() {
        let path = file("figures.txt");
        let update = env::var_os("METERKIT_UPDATE_FIGURES");
        if let Some(new) = &update {
            let [old, new] = [&path, Path::new(new)].map(read);
            let notes = if new.notes.is_empty() { old.notes } else { new.notes };
            let notes = notes.iter().map(|note| format!("# {note}\n"));
            let figures = merged(old.figures, &new.figures);
            let lines = figures.iter().map(|figure| figure.to_line() + "\n");
            fs::write(&path, notes.chain(lines).collect::<String>()).unwrap();
        }
        let report = read(&path);
        for document in ["README.md", "what-it-means.md"] {
            let old = fs::read_to_string(file(document)).unwrap();
            let new = with_blocks(&old, |name| report.block(name));
            if update.is_some() {
                fs::write(file(document), new).unwrap();
            } else {
                assert!(
                    old == new,
                    "{document} has other figures than figures.txt: run crates/meterkit-bench/figures"
                );
            }
        }
    }

    #[test]
    fn the_comparison_in_readme_has_the_figures_of_the_file() {
        let readme = fs::read_to_string(file("../../README.md")).unwrap();
        let rows = read(&file("figures.txt")).compared();
        let other: Vec<_> = rows.iter().filter(|row| !readme.contains(*row)).collect();
        assert!(other.is_empty(), "README.md should say\n{other:#?}");
    }

    #[test]
    fn new_figures_replace_those_of_their_tables() {
        let figure = |table: &str, ratio| {
            let (table, name) = (table.to_owned(), "counter".to_owned());
            Figure { table, name, ours: ratio, theirs: 1.0, ratio, bound: None }
        };
        let old = vec![figure("a", 1.0), figure("b", 1.0)];
        assert_eq!(merged(old, &[figure("b", 2.0)]), [figure("a", 1.0), figure("b", 2.0)]);
    }

    #[test]
    fn a_block_is_replaced_and_all_else_stays() {
        let text = "one\n<!-- figures: x -->\nold\n<!-- end -->\ntwo\n";
        let new = with_blocks(text, |name| format!("new {name}\n"));
        assert_eq!(new, "one\n<!-- figures: x -->\n\nnew x\n\n<!-- end -->\ntwo\n");
        assert_eq!(with_blocks(&new, |name| format!("new {name}\n")), new);
    }
}

//! A strict reader of the text format 0.0.4: Prometheus reads every text that it accepts without a warning.
//!
//! The reader is stricter than Prometheus where the exporter promises more: families are sorted, labels never begin
//! with `__`, and no sample has a timestamp.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

/// The labels of a series. Labels with an empty value are left out, because Prometheus treats them as absent.
pub(crate) type Labels = BTreeMap<String, String>;

/// The content of a valid text.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Type of each family, by name.
    pub(crate) families: BTreeMap<String, String>,
    /// Help text of each family that has one, unescaped.
    pub(crate) help: BTreeMap<String, String>,
    /// Value of each sample as it was written, by name and labels.
    pub(crate) samples: BTreeMap<(String, Labels), String>,
}

/// Reads `text`. The error says which line breaks which rule.
pub(crate) fn check(text: &str) -> Result<Exposition, String> {
    let mut reader = Reader::default();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end with a line feed".to_owned());
    }
    for (at, line) in text.split_terminator('\n').enumerate() {
        reader.line(line).map_err(|rule| format!("line {}: {rule}: {line}", at + 1))?;
    }
    reader.end_family()?;
    Ok(reader.exposition)
}

/// Reads `text`, which must be valid.
#[track_caller]
pub(crate) fn checked(text: &str) -> Exposition {
    check(text).unwrap_or_else(|broken| panic!("{broken}\n---\n{text}"))
}

impl Exposition {
    /// Returns the value of the only sample with this name whose labels include `labels`.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let is_meant = |(sample, found): &&(String, Labels)| {
            let has = |(key, value): &(&str, &str)| found.get(*key).is_some_and(|it| it == value);
            sample == name && labels.iter().all(has)
        };
        let found: Vec<_> = self.samples.keys().filter(is_meant).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?} in {:?}", self.samples);
        number(&self.samples[found[0]]).unwrap()
    }

    /// Returns all samples that must not decrease: counters, and the counts of histograms.
    pub(crate) fn rising(&self) -> impl Iterator<Item = (&(String, Labels), f64)> {
        self.samples.iter().filter_map(|(series, value)| {
            let is_counter = self.families.get(&series.0).is_some_and(|kind| kind == "counter");
            let counts = ["_bucket", "_count"];
            let is_count = counts.iter().any(|end| {
                let family = series.0.strip_suffix(end).and_then(|name| self.families.get(name));
                family.is_some_and(|kind| kind == "histogram")
            });
            (is_counter || is_count).then(|| (series, number(value).unwrap()))
        })
    }
}

#[derive(Default)]
struct Reader {
    exposition: Exposition,
    /// The family whose lines are being read.
    family: Option<Family>,
    /// All sample names so far, including those that a family reserves.
    taken: BTreeSet<String>,
}

struct Family {
    name: String,
    /// `None` after `# HELP`.
    kind: Option<String>,
    samples: usize,
    open: Option<Histogram>,
}

/// A series of a histogram that is not complete yet.
struct Histogram {
    labels: Labels,
    /// The last bucket's bound and count.
    last: Option<(f64, u64)>,
    has_sum: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help text")?;
            self.begin_family(name)?;
            let help = unescape(help, "\\n")?;
            self.exposition.help.insert(name.to_owned(), help);
            Ok(())
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            self.kind(name, kind)
        } else if line.is_empty() || line.starts_with('#') {
            Err("neither a sample, nor HELP, nor TYPE".to_owned())
        } else {
            self.sample(line)
        }
    }

    fn begin_family(&mut self, name: &str) -> Result<(), String> {
        self.end_family()?;
        let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("bad metric name".to_owned());
        }
        if !name.chars().all(is_legal) {
            return Err("bad metric name".to_owned());
        }
        let families = self.exposition.families.keys();
        let mut later = families.filter(|known| *known != "target_info" && &***known >= name);
        if self.exposition.families.contains_key(name) {
            return Err("the family occurs twice".to_owned());
        }
        if let Some(later) = later.next() {
            return Err(format!("the family must come before {later}"));
        }
        self.family = Some(Family { name: name.to_owned(), kind: None, samples: 0, open: None });
        Ok(())
    }

    fn kind(&mut self, name: &str, kind: &str) -> Result<(), String> {
        let is_helped = |family: &Family| family.name == name && family.kind.is_none();
        if !self.family.as_ref().is_some_and(is_helped) {
            self.begin_family(name)?;
        }
        let endings: &[&str] = match kind {
            "counter" if !name.ends_with("total") => return Err("counter, not total".to_owned()),
            "counter" | "gauge" => &[""],
            "histogram" => &["", "_bucket", "_sum", "_count"],
            _ => return Err("unknown type".to_owned()),
        };
        for ending in endings {
            if !self.taken.insert(format!("{name}{ending}")) {
                return Err(format!("{name}{ending} is also a name of another family"));
            }
        }
        let family = self.family.as_mut().ok_or("no family")?;
        family.kind = Some(kind.to_owned());
        self.exposition.families.insert(name.to_owned(), kind.to_owned());
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (name, labels, value) = parse_sample(line)?;
        let family = self.family.as_mut().ok_or("a sample before any TYPE")?;
        let kind = family.kind.as_deref().ok_or("a sample before its TYPE")?;
        let ending = name.strip_prefix(&*family.name).ok_or("a sample of another family")?;
        family.samples += 1;
        match (kind, ending) {
            ("histogram", _) => family.part_of_histogram(ending, &labels, &value)?,
            ("counter", "") if !(0.0..f64::INFINITY).contains(&number(&value)?) => {
                return Err("a counter that is negative or not finite".to_owned());
            }
            (_, "") => {}
            _ => return Err("the sample belongs to another family".to_owned()),
        }
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        match self.exposition.samples.insert((name, labels), value) {
            Some(_) => Err("the series occurs twice".to_owned()),
            None => Ok(()),
        }
    }

    fn end_family(&mut self) -> Result<(), String> {
        match self.family.take() {
            Some(family) if family.samples == 0 || family.open.is_some() => {
                Err(format!("family {} is not complete", family.name))
            }
            _ => Ok(()),
        }
    }
}

impl Family {
    /// Reads a sample of a histogram. Each series has its buckets, then its sum, then its count.
    fn part_of_histogram(
        &mut self,
        ending: &str,
        labels: &Labels,
        value: &str,
    ) -> Result<(), String> {
        let mut series = labels.clone();
        let bound = series.remove("le");
        if bound.is_some() != (ending == "_bucket") {
            return Err("buckets, and only buckets, must have le".to_owned());
        }
        let histogram = self.open.get_or_insert_with(|| Histogram {
            labels: series.clone(),
            last: None,
            has_sum: false,
        });
        if histogram.labels != series {
            return Err("the previous series is not complete".to_owned());
        }
        let is_open = matches!(histogram.last, Some((bound, _)) if bound == f64::INFINITY);
        match ending {
            "_bucket" => {
                let bound = number(bound.as_deref().unwrap_or_default())?;
                let count = integer(value)?;
                let rises = histogram.last.is_none_or(|last| last.0 < bound && last.1 <= count);
                if !rises || bound.is_nan() || histogram.has_sum {
                    return Err("buckets must rise".to_owned());
                }
                histogram.last = Some((bound, count));
            }
            "_sum" if is_open && !histogram.has_sum => {
                number(value)?;
                histogram.has_sum = true;
            }
            "_count" if histogram.has_sum => {
                if histogram.last.map(|last| last.1) != Some(integer(value)?) {
                    return Err("the count differs from that of the last bucket".to_owned());
                }
                self.open = None;
            }
            _ => return Err("histograms are buckets up to +Inf, sum, count".to_owned()),
        }
        Ok(())
    }
}

fn parse_sample(line: &str) -> Result<(String, Labels, String), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    let mut labels = Labels::new();
    let value = match rest.strip_prefix('{') {
        None => rest,
        Some(rest) => {
            let mut chars = rest.chars().peekable();
            loop {
                let (key, value) = parse_label(&mut chars)?;
                if labels.insert(key, value).is_some() {
                    return Err("a label occurs twice".to_owned());
                }
                match chars.next() {
                    Some(',') => {}
                    Some('}') => break,
                    _ => return Err("labels end with }".to_owned()),
                }
            }
            let left: usize = chars.map(char::len_utf8).sum();
            &rest[rest.len() - left..]
        }
    };
    let value = value.strip_prefix(' ').ok_or("one space before the value")?;
    number(value)?;
    Ok((name.to_owned(), labels, value.to_owned()))
}

fn parse_label(chars: &mut Peekable<Chars<'_>>) -> Result<(String, String), String> {
    let mut key = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        key.push(c);
    }
    if key.is_empty() || key.starts_with("__") || key.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("bad label name".to_owned());
    }
    if chars.next() != Some('=') || chars.next() != Some('"') {
        return Err("a label is name=\"value\"".to_owned());
    }
    let mut written = String::new();
    while let Some(c) = chars.next_if(|c| *c != '"') {
        written.push(c);
        if c == '\\' {
            written.extend(chars.next());
        }
    }
    if chars.next() != Some('"') {
        return Err("a label value without an end".to_owned());
    }
    Ok((key, unescape(&written, "\\n\"")?))
}

/// Returns the text without escapes. Only the characters in `allowed` may follow a backslash.
fn unescape(written: &str, allowed: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some(escaped)) if allowed.contains(escaped) => text.push(escaped),
            ('\\', _) => return Err("bad escape".to_owned()),
            _ => text.push(c),
        }
    }
    Ok(text)
}

fn number(written: &str) -> Result<f64, String> {
    match written {
        "NaN" => return Ok(f64::NAN),
        "+Inf" => return Ok(f64::INFINITY),
        "-Inf" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    // Rust's own parser also accepts `inf` and `nan`.
    let is_number = written.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let parsed = is_number.then(|| written.parse().ok()).flatten();
    parsed.ok_or_else(|| "bad number".to_owned())
}

fn integer(written: &str) -> Result<u64, String> {
    written.parse().map_err(|_| "counts are whole numbers".to_owned())
}

//! A strict reader of OpenMetrics 1.0. Every parser accepts a body that this reader accepts.
//!
//! Implements the specification "OpenMetrics 1.0" for bodies that meterkit's exporters write: samples have no
//! timestamps, exemplars have timestamps, and all numbers are canonical.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// The families and samples of a body.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Body {
    /// The type of each family by name.
    pub families: BTreeMap<String, String>,
    /// The value of each sample by name and labels.
    pub samples: BTreeMap<(String, Labels), f64>,
    /// The labels, values and times of exemplars, by name and labels of the samples.
    pub exemplars: BTreeMap<(String, Labels), (Labels, f64, f64)>,
}

/// Reads a valid body.
///
/// # Panics
///
/// Panics if a line breaks a rule.
#[track_caller]
pub fn checked(text: &str) -> Body {
    check(text).unwrap_or_else(|broken| panic!("{broken}\n---\n{text}"))
}

/// Reads a body.
///
/// # Errors
///
/// Returns the first line that breaks a rule, and the rule.
pub fn check(text: &str) -> Result<Body, String> {
    let lines = text.strip_suffix("# EOF\n").ok_or("no EOF at the end")?;
    let mut reader = Reader::default();
    for line in lines.split_terminator('\n') {
        reader.line(line).map_err(|rule| format!("{rule}: {line}"))?;
    }
    reader.end()?;
    Ok(reader.body)
}

#[derive(Default)]
struct Reader {
    body: Body,
    /// All names that families use or could use.
    taken: BTreeSet<String>,
    family: Option<Family>,
}

struct Family {
    name: String,
    kind: String,
    /// The number of lines TYPE, UNIT and HELP read so far.
    part: usize,
    /// The labels of the current series, without `le`.
    labels: Option<Labels>,
    done: BTreeSet<Labels>,
    /// The samples of the current series: suffix, bound and value.
    samples: Vec<(String, Option<f64>, f64)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let Some(rest) = line.strip_prefix("# ") else { return self.sample(line) };
        let (keyword, rest) = rest.split_once(' ').ok_or("no keyword")?;
        let (name, rest) = name_of(rest)?;
        let rest = rest.strip_prefix(' ').ok_or("no text")?;
        if keyword == "TYPE" {
            self.end()?;
            return self.begin(name, rest);
        }
        let part = match keyword {
            "UNIT" => 1,
            "HELP" => 2,
            _ => return Err("an unknown keyword".to_owned()),
        };
        let family = self.family.as_mut().filter(|family| family.name == name);
        let family = family.ok_or("not in its family")?;
        if part < family.part || family.labels.is_some() {
            return Err("out of order".to_owned());
        }
        family.part = part + 1;
        match keyword {
            "UNIT" if name.ends_with(&format!("_{rest}")) && !rest.is_empty() => Ok(()),
            "UNIT" => Err("the name has no such unit".to_owned()),
            _ => unescaped(rest).map(drop),
        }
    }

    fn begin(&mut self, name: String, kind: &str) -> Result<(), String> {
        let suffixes = match kind {
            "counter" => &["", "_total", "_created"][..],
            "histogram" => &["", "_bucket", "_count", "_sum", "_created"],
            "summary" => &["", "_count", "_sum", "_created"],
            "info" => &["", "_info"],
            "gauge" | "unknown" => &[""],
            _ => return Err("an unknown type".to_owned()),
        };
        for suffix in suffixes {
            if !self.taken.insert(format!("{name}{suffix}")) {
                return Err(format!("{name}{suffix} is the name of two"));
            }
        }
        self.body.families.insert(name.clone(), kind.to_owned());
        let (labels, done, samples) = Default::default();
        self.family = Some(Family { name, kind: kind.to_owned(), part: 1, labels, done, samples });
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (name, labels, value) = parsed(line)?;
        let (value, exemplar) = match value.split_once(" # ") {
            Some((value, exemplar)) => (value, Some(read_exemplar(exemplar)?)),
            None => (value, None),
        };
        let number = number(value)?;
        let family = self.family.as_mut().ok_or("no family")?;
        let suffix = name.strip_prefix(&family.name).ok_or("not in its family")?.to_owned();
        let is_known = match &*family.kind {
            "counter" => ["_total", "_created"].contains(&&*suffix),
            "histogram" => ["_bucket", "_count", "_sum", "_created"].contains(&&*suffix),
            "summary" => match &*suffix {
                "" => labels.contains_key("quantile") && (number.is_nan() || number >= 0.0),
                suffix => ["_count", "_sum", "_created"].contains(&suffix),
            },
            "info" => suffix == "_info" && value == "1",
            _ => suffix.is_empty(),
        };
        if !is_known {
            return Err("no sample of that type".to_owned());
        }
        let is_count = ["_bucket", "_count"].contains(&&*suffix);
        if is_count && !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a count that is not an integer".to_owned());
        }
        let is_total = is_count || ["_total", "_sum"].contains(&&*suffix);
        if is_total && (number.is_nan() || number < 0.0) {
            return Err("a total that falls".to_owned());
        }
        let mut of_series = labels.clone();
        let quantile = of_series.remove("quantile").filter(|_| family.kind != "summary");
        of_series.extend(quantile.map(|quantile| ("quantile".to_owned(), quantile)));
        let bound = match (&*suffix, of_series.remove("le")) {
            ("_bucket", Some(bound)) => {
                let number = self::number(&bound)?;
                if number.is_finite() && !bound.contains(['.', 'e']) {
                    return Err("a bound that is not canonical".to_owned());
                }
                Some(number)
            }
            ("_bucket", None) => return Err("a bucket without `le`".to_owned()),
            (_, Some(le)) => {
                of_series.insert("le".to_owned(), le);
                None
            }
            (_, None) => None,
        };
        if let Some((_, value, _)) = &exemplar {
            let is_allowed = match (&*family.kind, &*suffix) {
                ("counter", "_total") => true,
                ("histogram", "_bucket") => {
                    let buckets = family.samples.iter().rev();
                    let mut lower = buckets.filter_map(|(_, bound, _)| *bound);
                    let lower = if family.labels.as_ref() == Some(&of_series) {
                        lower.next()
                    } else {
                        None
                    };
                    lower.is_none_or(|lower| lower < *value)
                        && bound.is_some_and(|upper| *value <= upper)
                }
                _ => false,
            };
            if !is_allowed {
                return Err("an exemplar where none belongs".to_owned());
            }
        }
        if family.labels.as_ref() != Some(&of_series) {
            family.end_series()?;
            if !family.done.insert(of_series.clone()) {
                return Err("a series in two places".to_owned());
            }
            family.labels = Some(of_series);
        }
        family.samples.push((suffix, bound, number));
        if let Some(exemplar) = exemplar {
            self.body.exemplars.insert((name.clone(), labels.clone()), exemplar);
        }
        match self.body.samples.insert((name, labels), number) {
            Some(_) => Err("a sample twice".to_owned()),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.family.take().map_or(Ok(()), |mut family| family.end_series())
    }
}

impl Family {
    fn end_series(&mut self) -> Result<(), String> {
        let samples = std::mem::take(&mut self.samples);
        if samples.is_empty() || self.kind != "histogram" {
            return Ok(());
        }
        let of = |suffix: &str| {
            let found = samples.iter().filter(|(it, ..)| it == suffix);
            found.map(|(_, bound, value)| (bound.unwrap_or_default(), *value)).collect::<Vec<_>>()
        };
        let (buckets, count, sum) = (of("_bucket"), of("_count"), of("_sum"));
        if !buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
            return Err(format!("buckets of {} do not rise: {buckets:?}", self.name));
        }
        let Some((f64::INFINITY, all)) = buckets.last().copied() else {
            return Err(format!("{} has no bucket for all values", self.name));
        };
        if count.len() != sum.len() || count.iter().any(|(_, count)| *count != all) {
            return Err(format!("{} has no right count", self.name));
        }
        if buckets[0].0 < 0.0 && !sum.is_empty() {
            return Err(format!("{} has negative bounds and a sum", self.name));
        }
        Ok(())
    }
}

/// Returns a name, which may be quoted, and the rest of the text.
fn name_of(text: &str) -> Result<(String, &str), String> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_legal(c)).unwrap_or(text.len());
    if end == 0 || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("no name".to_owned());
    }
    Ok((text[..end].to_owned(), &text[end..]))
}

/// Returns the text between quotes, and the rest of the text.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let inside = text.strip_prefix('"').ok_or("no quote")?;
    let mut is_escaped = false;
    let end = inside.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let end = end.ok_or("no closing quote")?;
    Ok((unescaped(&inside[..end])?, &inside[end + 1..]))
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, (c == '\\').then(|| rest.next())) {
            (_, Some(Some('n'))) => out.push('\n'),
            (_, Some(Some(escaped @ ('\\' | '"')))) => out.push(escaped),
            (_, Some(_)) | ('"', None) => return Err("a wrong escape".to_owned()),
            (c, None) => out.push(c),
        }
    }
    Ok(out)
}

/// Returns the name, labels and value of a sample.
fn parsed(line: &str) -> Result<(String, Labels, &str), String> {
    let (mut name, mut rest) = (String::new(), line);
    if !line.starts_with('{') {
        (name, rest) = name_of(line)?;
    }
    let mut labels = Labels::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, after) = name_of(inside)?;
            match after.strip_prefix('=') {
                Some(after) => {
                    let (value, after) = quoted(after)?;
                    if labels.insert(label, value).is_some() {
                        return Err("a label twice".to_owned());
                    }
                    inside = after;
                }
                None if name.is_empty() && labels.is_empty() => (name, inside) = (label, after),
                None => return Err("a label without a value".to_owned()),
            }
            if let Some(after) = inside.strip_prefix('}') {
                rest = after;
                break;
            }
            inside = inside.strip_prefix(',').ok_or("no comma")?;
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no value")?;
    Ok((name, labels, value))
}

/// Returns the labels, value and timestamp of an exemplar.
fn read_exemplar(text: &str) -> Result<(Labels, f64, f64), String> {
    let (_, labels, rest) = match text.strip_prefix("{} ") {
        Some(rest) => (String::new(), Labels::new(), rest),
        None => parsed(text)?,
    };
    let characters = labels.iter().flat_map(|(name, value)| name.chars().chain(value.chars()));
    if characters.count() > 128 {
        return Err("an exemplar with too many labels".to_owned());
    }
    let (value, time) = rest.split_once(' ').ok_or("an exemplar without a time")?;
    Ok((labels, number(value)?, number(time)?))
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ if text.bytes().all(|byte| b"0123456789.e+-".contains(&byte)) => {
            text.parse().map_err(|_| "no number".to_owned())
        }
        _ => Err("no number".to_owned()),
    }
}

#[test]
fn what_is_wrong_is_rejected() {
    let right = "# TYPE a counter\n# HELP a x\na_total 1.0\na_created 1.0\n# EOF\n";
    check(right).unwrap();
    let exemplar = "a_total 1.0 # {b=\"1\"} 2.0 3.0";
    let long = exemplar.replace("\"1\"", &format!("\"{}\"", "x".repeat(128)));
    assert_eq!(check(&right.replace("a_total 1.0", exemplar)).unwrap().exemplars.len(), 1);
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "\n# EOF\n"),
        ("# EOF\n", "# EOF\n# EOF\n"),
        ("a_total 1.0", "a 1.0"),
        ("a_total 1.0", &long),
        ("a_total 1.0", "a_total 1.0 # {b=\"1\"} 2.0"),
        ("a_created 1.0", "a_created 1.0 # {b=\"1\"} 2.0 3.0"),
        (
            "# EOF",
            "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {} 2.0 3.0\nh_bucket{le=\"+Inf\"} 1\n# EOF",
        ),
        (
            "# EOF",
            "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1 # {} 0.5 3.0\n# EOF",
        ),
        ("a_total 1.0", "a_total NaN"),
        ("a_total 1.0", "a_total -1.0"),
        ("a_total 1.0", "a_total 1.0\na_total 1.0"),
        ("a_total 1.0", "a_total{b=\"\\x\"} 1.0"),
        ("# HELP a x", "# HELP b x"),
        ("# HELP a x", "# HELP a x\n# UNIT a s"),
        ("# HELP a x", "# HELP a x\n# HELP a x"),
        ("# HELP a x", "# UNIT a s"),
        ("# EOF", "# TYPE a gauge\n# EOF"),
        ("# EOF", "# TYPE a_total gauge\n# EOF"),
        ("# EOF", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\n# EOF"),
        ("# EOF", "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\n# EOF"),
        ("# EOF", "# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\n# EOF"),
        ("# EOF", "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1.0\n# EOF"),
        (
            "# EOF",
            "# TYPE h histogram\nh_bucket{le=\"-1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1.0\nh_count 1\n# EOF",
        ),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert!(check(&wrong).is_err(), "{wrong}");
    }
}

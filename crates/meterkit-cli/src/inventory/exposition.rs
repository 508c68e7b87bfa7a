//! The inventory of an exposition.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use meterkit_prometheus_model::exposition::{Line, Sample};

use super::{Family, Format, Inventory, ReadError};

/// The contents of `# TYPE` and `# UNIT` for a family.
#[derive(Default)]
struct Declared<'t> {
    family_type: &'t str,
    unit: &'t str,
}

/// All declared families, by their names in `# TYPE`.
type Declarations<'t> = HashMap<Cow<'t, str>, Declared<'t>>;

/// The part of its family that a sample represents.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Value,
    Bucket,
    Quantile,
    StartTime,
}

/// Reads all lines. A family without samples has no series, and is left out.
pub(super) fn inventory(text: &str) -> Result<Inventory, ReadError> {
    let mut format = Format::Text;
    let mut declared = Declarations::new();
    let mut samples = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        match Line::parse(trimmed) {
            Some(Line::Type { family, of }) => {
                let of = of.trim();
                declared.entry(family).or_default().family_type =
                    if of == "untyped" { "unknown" } else { of };
            }
            Some(Line::Unit { family, unit }) => declared.entry(family).or_default().unit = unit,
            Some(Line::End) => format = Format::OpenMetrics,
            Some(Line::Sample(sample)) if sample.value.parse::<f64>().is_ok() => {
                samples.push((sample, at));
            }
            Some(Line::Help { .. }) => {}
            // Other comments may contain anything.
            None if trimmed.is_empty()
                || (trimmed.starts_with('#') && !trimmed.starts_with("# TYPE")) => {}
            _ => return Err(broken(text, at)),
        }
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for (sample, at) in samples {
        let (name, of, part) = place(&sample, &declared, format);
        let family = families.entry(name.into_owned()).or_insert_with(|| Family {
            family_type: of.family_type.to_owned(),
            unit: of.unit.to_owned(),
            ..Family::default()
        });
        family.add(sample, part).ok_or_else(|| broken(text, at))?;
    }
    for family in families.values_mut() {
        family.bounds.sort_by(f64::total_cmp);
        family.bounds.dedup();
    }
    Ok(Inventory { format, families })
}

fn broken(text: &str, at: usize) -> ReadError {
    let line = text.lines().nth(at).unwrap_or_default();
    let shown = line.chars().take(120).map(|c| if c.is_control() { ' ' } else { c });
    let line = shown.collect();
    ReadError::Line { number: at + 1, line }
}

/// Returns the family of a sample, by the name that queries use, and the part of the family that the sample represents.
fn place<'s>(
    sample: &Sample<'s>,
    declared: &'s Declarations<'s>,
    format: Format,
) -> (Cow<'s, str>, &'s Declared<'s>, Part) {
    const UNKNOWN: Declared<'static> = Declared { family_type: "unknown", unit: "" };

    let name = &*sample.name;
    // Some clients write start times in the text format, too, as separate gauges.
    if let Some(base) = name.strip_suffix("_created") {
        let total = format!("{base}_total");
        let is_counter = |of: &Declared<'_>| of.family_type == "counter";
        if let Some(of) = declared.get(base) {
            match of.family_type {
                "counter" if format == Format::OpenMetrics => {
                    return (total.into(), of, Part::StartTime);
                }
                "counter" | "histogram" | "summary" => {
                    return (base.to_owned().into(), of, Part::StartTime);
                }
                _ => {}
            }
        } else if let Some(of) = declared.get(&*total).filter(|of| is_counter(of)) {
            return (total.into(), of, Part::StartTime);
        }
    }
    if let Some(of) = declared.get(name) {
        let part = if of.family_type == "summary" { Part::Quantile } else { Part::Value };
        return (sample.name.clone(), of, part);
    }
    for (suffix, types, part) in [
        ("_total", &["counter"][..], Part::Value),
        ("_info", &["info"], Part::Value),
        ("_bucket", &["histogram", "gaugehistogram"], Part::Bucket),
        ("_sum", &["histogram", "summary"], Part::Value),
        ("_count", &["histogram", "summary"], Part::Value),
        ("_gsum", &["gaugehistogram"], Part::Value),
        ("_gcount", &["gaugehistogram"], Part::Value),
    ] {
        let Some(base) = name.strip_suffix(suffix) else { continue };
        if let Some(of) = declared.get(base).filter(|of| types.contains(&of.family_type)) {
            let has_suffix = ["_total", "_info"].contains(&suffix);
            let family = if has_suffix { sample.name.clone() } else { base.to_owned().into() };
            return (family, of, part);
        }
    }
    (sample.name.clone(), &UNKNOWN, Part::Value)
}

impl Family {
    /// Adds the labels and the bound of a sample. Returns `None` if the bound is not a number.
    fn add(&mut self, sample: Sample<'_>, part: Part) -> Option<()> {
        if part == Part::StartTime {
            self.has_start_times = true;
            return Some(());
        }
        for (key, value) in sample.labels {
            let is_bound = match part {
                Part::Bucket => key == "le",
                Part::Quantile => key == "quantile",
                _ => false,
            };
            if is_bound {
                let bound: f64 = value.parse().ok()?;
                if bound.is_finite() {
                    self.bounds.push(bound);
                }
            } else if !value.is_empty() {
                // Prometheus does not store labels with an empty value.
                let known = self.labels.entry(key.into_owned()).or_default();
                if !known.values.contains(&*value) {
                    known.values.insert(value.into_owned());
                }
            }
        }
        Some(())
    }
}

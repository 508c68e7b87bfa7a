//! Measured figures as lines of a file: `figures.txt` contains the latest ones.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

/// The environment variable with the path of the file to which a run appends its figures.
const VARIABLE: &str = "METERKIT_FIGURES";

/// One row of a run, in the unit of its table.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Figure {
    /// The table that contains the row.
    pub table: String,
    /// The work, or `work / library` where there are several other libraries.
    pub name: String,
    /// The value of meterkit.
    pub ours: f64,
    /// The value of the other side.
    pub theirs: f64,
    /// The ratio of meterkit to the other side: within a run, the median of the ratios of neighboring batches.
    pub ratio: f64,
    /// The maximum ratio.
    pub bound: Option<f64>,
}

impl Figure {
    /// Appends the figure to the file named by the environment variable, if it is set.
    ///
    /// # Panics
    ///
    /// Panics if the file cannot be written.
    pub fn append(&self) {
        if let Some(path) = env::var_os(VARIABLE) {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let mut file = file.expect("the file of figures can be opened");
            writeln!(file, "{}", self.to_line()).expect("the file of figures can be written");
        }
    }

    /// Returns the figure as a line of tab-separated fields.
    pub fn to_line(&self) -> String {
        let Self { table, name, ours, theirs, ratio, bound } = self;
        let bound = bound.map_or_else(String::new, |bound| bound.to_string());
        format!("{table}\t{name}\t{ours:.3}\t{theirs:.3}\t{ratio:.3}\t{bound}")
    }

    /// Parses a line; returns `None` if it is not a figure.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Self {
            table: next()?.to_owned(),
            name: next()?.to_owned(),
            ours: next()?.parse().ok()?,
            theirs: next()?.parse().ok()?,
            ratio: next()?.parse().ok()?,
            bound: next()?.parse().ok(),
        })
    }

    /// Returns the work, and the name of the other side.
    pub fn sides(&self) -> (&str, &str) {
        self.name.split_once(" / ").unwrap_or((&self.name, ""))
    }
}

/// Returns a figure for each row in `runs`, in order of first occurrence: the medians of all its values.
pub fn medians(runs: &[Figure]) -> Vec<Figure> {
    let mut rows: Vec<Figure> = Vec::new();
    for run in runs {
        let is_same = |other: &&Figure| other.table == run.table && other.name == run.name;
        if !rows.iter().any(|row| is_same(&row)) {
            let median = |of: fn(&Figure) -> f64| {
                let mut values: Vec<f64> = runs.iter().filter(is_same).map(of).collect();
                values.sort_by(f64::total_cmp);
                values[(values.len() - 1) / 2]
            };
            rows.push(Figure {
                ours: median(|it| it.ours),
                theirs: median(|it| it.theirs),
                ratio: median(|it| it.ratio),
                ..run.clone()
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, ratio: f64, bound: Option<f64>) -> Figure {
        let (table, name) = ("one thread".to_owned(), name.to_owned());
        Figure { table, name, ours: 2.0 * ratio, theirs: 2.0, ratio, bound }
    }

    #[test]
    fn a_line_holds_all_of_a_figure() {
        for bound in [None, Some(1.15)] {
            let figure = figure("counter / prometheus", 0.625, bound);
            assert_eq!(Figure::from_line(&figure.to_line()), Some(figure));
        }
        assert_eq!(Figure::from_line("# a comment"), None);
    }

    #[test]
    fn the_median_of_three_runs_is_not_moved_by_a_slow_one() {
        let runs = [0.5, 9.0, 0.6].map(|ratio| figure("counter", ratio, None));
        let runs = [&runs[..], &[figure("gauge", 3.0, None)]].concat();
        let medians = medians(&runs);
        assert_eq!(medians, [figure("counter", 0.6, None), figure("gauge", 3.0, None)]);
    }
}

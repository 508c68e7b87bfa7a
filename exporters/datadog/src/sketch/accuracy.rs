//! Measures the errors of quantiles that are computed from explicit buckets.

use meterkit_core::{Data, HistogramPoint, Registry};

use super::Sketch;
use crate::points::Histogram;
use crate::tests::random::Random;

const VALUES: usize = 20_000;
const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

type Draw = fn(&mut Random) -> f64;

/// Distributions with their units. The unit determines the default buckets.
const DISTRIBUTIONS: [(&str, &str, Draw); 8] = [
    ("lognormal, median 50 ms", "s", |random| (random.normal() - 3.0).exp()),
    ("lognormal, median 50 ms", "ms", |random| (random.normal() + 3.9).exp()),
    ("lognormal, wide (sigma 1.5)", "s", |random| (1.5 * random.normal() - 1.0).exp()),
    ("exponential, mean 100 ms", "s", |random| -0.1 * random.fraction().ln()),
    ("Pareto, exponent 1.5", "s", |random| 0.02 * random.fraction().powf(-1.0 / 1.5)),
    ("normal, 300 ms ± 50 ms", "s", |random| 0.3 + 0.05 * random.normal()),
    ("uniform, 0 to 1", "s", Random::fraction),
    ("uniform, -1 to 1", "", |random| 2.0 * random.fraction() - 1.0),
];

fn recorded(unit: &'static str, draw: Draw, seed: u64) -> (Vec<f64>, Vec<f64>, HistogramPoint) {
    let registry = Registry::new();
    let histogram = registry.scoped("core", "test").histogram::<f64>("values").unit(unit);
    let histogram = histogram.build().expect("a histogram");
    let mut random = Random(seed);
    let mut values: Vec<f64> = (0..VALUES).map(|_| draw(&mut random)).collect();
    values.iter().for_each(|value| histogram.record(*value));
    values.sort_by(f64::total_cmp);
    let scopes = registry.read();
    let mut data = scopes.iter().flat_map(|scope| &scope.metrics).map(|metric| &metric.data);
    match data.next() {
        Some(Data::Histogram { bounds, points, .. }) => {
            (values, bounds.to_vec(), points[0].clone())
        }
        other => panic!("{other:?}"),
    }
}

/// Returns the largest error of each quantile, in percent of the quantile, or in percent of the largest value if
/// values lie around zero.
fn errors(unit: &'static str, draw: Draw, knows_extremes: bool) -> [f64; 4] {
    let mut errors = [0.0_f64; 4];
    for seed in 1..=5 {
        let (values, bounds, mut point) = recorded(unit, draw, seed);
        if !knows_extremes {
            (point.min, point.max) = (None, None);
        }
        let histogram = Histogram::Explicit { bounds: &bounds, point: &point };
        let sketch = Sketch::of(&[histogram]).expect("values");
        for (error, share) in errors.iter_mut().zip(SHARES) {
            let exact = values[(share * (VALUES - 1) as f64).round() as usize];
            let of = if values[0] < 0.0 { values[VALUES - 1] } else { exact };
            *error = error.max((sketch.quantile(share) - exact).abs() / of * 100.0);
        }
    }
    errors
}

/// Returns the errors that the guide states for a distribution.
fn stated(name: &str, unit: &str) -> Vec<f64> {
    let page = include_str!("../../../../crates/meterkit/guide/deploying/datadog.md");
    let row = format!("| {name} | {unit} | ");
    let line = page.lines().find_map(|line| line.strip_prefix(&row));
    let line = line.unwrap_or_else(|| panic!("the guide lacks the row `{row}`"));
    let cells = line.trim_end_matches(" |").split(" | ");
    cells.map(|cell| cell.parse().expect("a number")).collect()
}

#[test]
fn the_errors_are_those_that_the_guide_states() {
    for (name, unit, draw) in DISTRIBUTIONS {
        let measured = errors(unit, draw, true);
        let [p50, p90, p99, p999] = measured;
        let row = format!("| {name} | {unit} | {p50:.1} | {p90:.1} | {p99:.1} | {p999:.1} |");
        let stated = stated(name, unit);
        assert_eq!(stated.len(), SHARES.len(), "the guide should say\n{row}");
        for (measured, stated) in measured.iter().zip(stated) {
            assert!((measured - stated).abs() <= 0.1, "the guide should say\n{row}");
        }
    }
}

#[test]
fn without_any_extremes_the_sum_still_tells_where_the_tail_is() {
    for (name, unit, draw) in &DISTRIBUTIONS[..7] {
        let [p50, p90, p99, p999] = errors(unit, *draw, false);
        assert!(p50 < 10.0 && p90 < 15.0 && p99 < 18.0 && p999 < 15.0, "{name}");
    }
}

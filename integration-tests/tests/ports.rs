//! Programs that migrate from another library keep the exposition that their dashboards use.
//!
//! Each port has metrics with the names and shapes of a real program, recorded once with the library that the program
//! uses and once with meterkit. Every difference fails the test, except:
//!
//! - the order of lines, and of the labels in a line;
//! - `# HELP`, `# EOF` and empty lines;
//! - summaries, which become histograms: sums and counts stay the same, and buckets replace quantiles;
//! - in OpenMetrics, the notation of numbers, such as `7` and `7.0`. The numbers are the same to the last bit. Bucket
//!   bounds are numbers, too, because Prometheus 3 stores them in a single notation.

mod metrics;
mod opentelemetry;
mod prometheus;
mod prometheus_client;

use std::collections::BTreeSet;
use std::panic;
use std::time::Duration;

use meterkit::Registry;
use meterkit::data::Attributes;
use meterkit::prometheus::{ExpositionOptions, Format, render_in};
use meterkit::view::Views;
use meterkit_cli::{Cause, Comparison, Inventory};
use meterkit_pipeline::Pipeline;

/// Returns options for a scrape without any additions of the library.
fn nothing_added() -> ExpositionOptions {
    ExpositionOptions::new()
        .scope_info(false)
        .target_info(false)
        .self_metrics(false)
        .start_times(false)
}

/// Starts a pipeline whose next collection includes self-metrics.
fn start(registry: &Registry, resource: Attributes, views: Views) -> Pipeline {
    let pipeline =
        Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
    let pipeline = pipeline.resource(resource).views(views).snapshot_max_age(Duration::ZERO);
    let pipeline = pipeline.start().expect("a thread");
    drop(pipeline.source().snapshot_blocking());
    pipeline
}

/// Returns the text of a scrape.
fn scraped(pipeline: &Pipeline, format: Format, options: ExpositionOptions) -> String {
    let body = render_in(&pipeline.source().snapshot_blocking(), format, options);
    String::from_utf8(body.to_vec()).expect("text")
}

/// Returns the text of a scrape of `registry` without any additions.
fn bare(registry: &Registry, format: Format) -> String {
    let pipeline = start(registry, Attributes::empty(), Views::default());
    scraped(&pipeline, format, nothing_added())
}

/// Panics with all lines that only one of the expositions has.
fn assert_same(theirs: &str, ours: &str) {
    let summaries: BTreeSet<_> =
        theirs.lines().filter_map(|line| type_of(line, "summary")).collect();
    let is_open_metrics = theirs.contains("# EOF");
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| {
            let is_said = |start| line.starts_with(start);
            let is_ignored = line.is_empty() || is_said("# HELP ") || is_said("# EOF");
            !is_ignored && !is_of_summary(line, &summaries)
        });
        let mut lines: Vec<_> = lines.map(|line| canonical(line, is_open_metrics)).collect();
        lines.sort();
        lines
    };
    let became: BTreeSet<_> = ours.lines().filter_map(|line| type_of(line, "histogram")).collect();
    let missing: Vec<_> = summaries.difference(&became).collect();
    let (theirs_text, ours_text) = (theirs, ours);
    let [theirs, ours] = [lines(theirs), lines(ours)];
    let [theirs_only, ours_only] = [(&theirs, &ours), (&ours, &theirs)].map(|(one, other)| {
        let mut rest = other.clone();
        let mut only = one.clone();
        only.retain(|line| match rest.iter().position(|it| it == line) {
            Some(at) => {
                rest.swap_remove(at);
                false
            }
            None => true,
        });
        only
    });
    let marked = |mark: &'static str, lines: Vec<String>| {
        lines.into_iter().map(move |line| format!("{mark} {line}\n"))
    };
    let mut difference: String = marked("-", theirs_only).chain(marked("+", ours_only)).collect();
    for name in missing {
        difference.push_str(&format!("- a histogram in place of the summary {name}\n"));
    }
    assert!(difference.is_empty(), "the expositions differ, - theirs, + ours:\n{difference}");
    // The command must not find a difference either.
    let comparison = compared(theirs_text, ours_text);
    let expected = if summaries.is_empty() { &[][..] } else { &[Cause::SummaryAgainstHistogram] };
    let causes: Vec<_> = comparison.groups().iter().map(|group| group.cause).collect();
    assert_eq!(causes, expected, "{comparison}");
}

/// Returns the result of `meterkit compare`.
fn compared(theirs: &str, ours: &str) -> Comparison {
    let [theirs, ours] = [theirs, ours].map(|text| Inventory::read(text).expect("an exposition"));
    Comparison::new(&theirs, &ours).expect("two expositions")
}

/// Returns the name of the family if the line declares it with this type.
fn type_of<'l>(line: &'l str, family_type: &str) -> Option<&'l str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(family_type)?.strip_suffix(' ')
}

/// Returns whether the line belongs to a summary, or to the histogram that replaces it, but not to both.
fn is_of_summary(line: &str, summaries: &BTreeSet<&str>) -> bool {
    if let Some(family) = type_of(line, "summary").or_else(|| type_of(line, "histogram")) {
        return summaries.contains(family);
    }
    let name = line.split(['{', ' ']).next().unwrap_or_default();
    summaries.contains(name)
        || name.strip_suffix("_bucket").is_some_and(|name| summaries.contains(name))
}

/// Returns the line with sorted labels, and with numbers in one notation if the format allows several.
fn canonical(line: &str, has_notations: bool) -> String {
    if line.starts_with('#') {
        return line.to_owned();
    }
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let number = |text: &str| match text.parse::<f64>() {
        Ok(number) if has_notations => number.to_string(),
        _ => text.to_owned(),
    };
    let value = number(value);
    let Some((name, labels)) = series.split_once('{') else {
        return format!("{name} {value}", name = series);
    };
    let labels = labels.strip_suffix("\"}").expect("labels");
    let mut labels: Vec<_> = labels
        .split("\",")
        .map(|label| match label.strip_prefix("le=\"") {
            Some(bound) => format!("le=\"{}\"", number(bound)),
            None => format!("{label}\""),
        })
        .collect();
    labels.sort();
    format!("{name}{{{}}} {value}", labels.join(","))
}

#[test]
fn each_difference_fails_and_is_printed() {
    let text = "# HELP a A.\n# TYPE a counter\na{x=\"1\",y=\"2\"} 3\n\n# TYPE t summary\n\
                t{quantile=\"0.5\"} 4\nt_sum 4\nt_count 1\n";
    let same = "# TYPE t histogram\nt_bucket{le=\"+Inf\"} 1\nt_sum 4\nt_count 1\n# TYPE a counter\n\
                a{y=\"2\",x=\"1\"} 3\n";
    assert_same(text, same);
    for (from, to, difference) in [
        ("a{y", "b{y", "- a{x=\"1\",y=\"2\"} 3\n+ b{x=\"1\",y=\"2\"} 3\n"),
        (" 3\n", " 3.0\n", "- a{x=\"1\",y=\"2\"} 3\n+ a{x=\"1\",y=\"2\"} 3.0\n"),
        ("a counter", "a gauge", "- # TYPE a counter\n+ # TYPE a gauge\n"),
        ("t_sum 4", "t_sum 5", "- t_sum 4\n+ t_sum 5\n"),
        ("t_count 1\n", "t_count 1\nt_count 1\n", "+ t_count 1\n"),
        ("t histogram", "t gauge", "+ # TYPE t gauge\n- a histogram in place of the summary t\n"),
        ("a{y=\"2\",x=\"1\"} 3\n", "", "- a{x=\"1\",y=\"2\"} 3\n"),
        (
            "a{y=\"2\",",
            "a{y=\"2\",z=\"\",",
            "- a{x=\"1\",y=\"2\"} 3\n+ a{x=\"1\",y=\"2\",z=\"\"} 3\n",
        ),
    ] {
        let other = same.replacen(from, to, 1);
        let failure = panic::catch_unwind(|| assert_same(text, &other)).expect_err("it differs");
        let printed = failure.downcast_ref::<String>().expect("a message");
        let expected = format!("the expositions differ, - theirs, + ours:\n{difference}");
        assert_eq!(*printed, expected);
    }
    let written = "# TYPE b histogram\nb_bucket{le=\"1000000.0\"} 7\n# EOF\n";
    assert_same(written, "# TYPE b histogram\nb_bucket{le=\"1e+06\"} 7.0\n# EOF\n");
    let other = "# TYPE b histogram\nb_bucket{le=\"1000000.0000000001\"} 7\n# EOF\n";
    assert!(panic::catch_unwind(|| assert_same(written, other)).is_err(), "the last digit counts");
}

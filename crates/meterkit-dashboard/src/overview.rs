//! Rate, errors and duration of a service's operations, and the utilization of its resources.

use crate::instrument::{Instrument, Label, Shape};
use crate::panels::{Drawing, Drawn, Panel, QUANTILES, Query, is_shared};
use crate::promql::{self, RATE_INTERVAL, Selector};
use crate::rows::named;
use crate::uid::PanelIds;
use crate::variables::{INSTANCE, SERVICE};
use crate::{text, unit};

/// Histograms in OpenTelemetry's semantic conventions 1.44 and earlier that measure the duration of operations: the
/// name, the operations, and matchers of failed operations. The first matcher that finds series counts.
const KNOWN: [(&str, &str, &[&str]); 7] = [
    ("db.client.operation.duration", "Database operations", &[ERROR_TYPE]),
    (
        "http.client.request.duration",
        "HTTP client requests",
        &[ERROR_TYPE, r#"http_response_status_code=~"[45]..""#],
    ),
    ("http.server.request.duration", "HTTP server requests", &[ERROR_TYPE, SERVER_ERROR]),
    ("rpc.client.call.duration", "RPC client calls", &[ERROR_TYPE]),
    (
        "rpc.client.duration",
        "RPC client calls",
        &[ERROR_TYPE, r#"rpc_grpc_status_code=~"[1-9].*""#],
    ),
    ("rpc.server.call.duration", "RPC server calls", &[ERROR_TYPE]),
    (
        "rpc.server.duration",
        "RPC server calls",
        &[ERROR_TYPE, r#"rpc_grpc_status_code=~"2|4|12|13|14|15""#],
    ),
];

/// Returns the kind of requests and the matchers of failures for a histogram of this name, if the histogram measures
/// requests to the service.
pub(crate) fn served(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    let (_, requests, failures) = KNOWN.iter().find(|(known, ..)| *known == name)?;
    name.contains(".server.").then_some((*requests, *failures))
}

/// Matches failed operations. By the conventions, only these have this attribute.
const ERROR_TYPE: &str = r#"error_type!="""#;
const SERVER_ERROR: &str = r#"http_response_status_code=~"5..""#;

/// Label values that mean failure, such as the label value of `Outcome::Error`.
const FAILED: [&str; 6] = ["error", "errored", "failed", "failure", "panic", "timeout"];

/// One line per service.
const BY_SERVICE: [&str; 1] = ["job"];

/// One line per process.
const BY_INSTANCE: [&str; 2] = ["job", "instance"];

/// The quantiles of the first row: fewer, because each has a line per instance.
const FEW_QUANTILES: [(f64, &str); 2] = [QUANTILES[0], QUANTILES[2]];

impl Drawing<'_> {
    /// Draws the instances of the service and its requests. Returns no panels if no histogram measures requests.
    pub(crate) fn service(
        &self,
        instruments: &[Instrument],
        all: &[Instrument],
        ids: &mut PanelIds,
    ) -> Vec<Panel> {
        let served = instruments.iter().filter(|it| served(&it.name).is_some());
        let operations = served.filter_map(|it| Operation::of(it, &[]));
        let mut panels = Vec::new();
        for operation in operations {
            let mut group = self.operation(&operation, all, &BY_INSTANCE, &FEW_QUANTILES);
            if panels.is_empty() {
                group.insert(0, instances());
            }
            panels.extend(numbered(group, &named(operation.counted), ids));
        }
        panels
    }

    /// Draws the operations of a scope, its connection pools, and the process.
    pub(crate) fn overview(
        &self,
        of_scope: &[Instrument],
        all: &[Instrument],
        ids: &mut PanelIds,
    ) -> Vec<Panel> {
        let Some(first) = of_scope.first() else { return Vec::new() };
        // Leave out the operations that the first row shows.
        let own = of_scope.iter().filter(|it| served(&it.name).is_none());
        let operations = own.filter_map(|it| Operation::of(it, of_scope));
        let operations = operations.map(|it| self.operation(&it, all, &BY_SERVICE, &QUANTILES));
        let used = [pools(self, of_scope, all), process(self, of_scope, all)];
        let title = named(first);
        operations.chain(used).flat_map(|group| numbered(group, &title, ids)).collect()
    }

    /// Draws the rate, the share of errors if failures can be recognized, and the duration if it is measured.
    fn operation(
        &self,
        operation: &Operation<'_>,
        all: &[Instrument],
        by: &[&str],
        quantiles: &[(f64, &str)],
    ) -> Vec<(Subject, Drawn)> {
        let counted = operation.counted;
        let of = self.select(counted, is_shared(counted, all));
        // Ignore the variables of failure labels: otherwise, a viewer who selects only successes would see no errors.
        let of = operation.failures.iter().fold(of, |of, failure| of.any(label_of(failure)));
        let rate = |of: Selector| match counted.shape {
            Shape::Histogram(buckets) => self.rates(&of, "_count", buckets),
            _ => of.rate(RATE_INTERVAL),
        };
        let line = |expression| {
            let legend: Vec<_> = by.iter().map(|label| format!("{{{{{label}}}}}")).collect();
            vec![Query { expression, legend: legend.join(" ") }]
        };
        let total = promql::sum_by(by, &rate(of.clone()));
        let unit = match counted.shape {
            Shape::Counter => unit::of_rate(&counted.unit).unit,
            _ if operation.is_of_requests() => "reqps".to_owned(),
            _ => "ops".to_owned(),
        };
        let mut drawn = vec![Drawn::lines("rate", unit, line(total.clone()))];

        let failed = operation.failures.iter();
        let failed = failed.map(|failure| promql::sum_by(by, &rate(of.clone().raw(failure))));
        let failed: Vec<_> = failed.collect();
        if !failed.is_empty() {
            // Series of errors appear with the first error. Until then, the share is zero.
            let share = format!("({} or {total} * 0) / {total}", failed.join(" or "));
            drawn.push(Drawn::lines("errors", "percentunit".to_owned(), line(share)));
        }
        if let Some((instrument, Shape::Histogram(buckets))) =
            operation.duration.map(|it| (it, it.shape))
        {
            let unit = unit::of_value(&instrument.unit, &instrument.name);
            let is_shared = is_shared(instrument, all);
            // Aggregate the duration over all selected services and instances.
            let by = if by == BY_SERVICE { &[] } else { by };
            let queries = self.distribution(instrument, buckets, is_shared, by, quantiles);
            drawn.push(Drawn::lines("duration", unit, queries));
        }
        let description = &operation.duration.unwrap_or(counted).description;
        let subject = Subject::new(&text::words(&operation.name), description);
        drawn.into_iter().map(|drawn| (subject.clone(), drawn)).collect()
    }
}

/// Draws the instances. A scraped instance has `up`; an instance that pushes has `target_info` for as long as it
/// pushes.
fn instances() -> (Subject, Drawn) {
    let of = |name| Selector::new(name).variable("job", SERVICE).variable("instance", INSTANCE);
    let either = format!("{} or {}", of("up"), of("target_info"));
    let expression = promql::aggregate("max", &BY_INSTANCE, &either);
    let query = Query { expression, legend: "{{job}} {{instance}}".to_owned() };
    let about = "1 for an instance that can be scraped or that pushes, 0 for an instance that cannot be scraped.";
    (Subject::new("Instances", about), Drawn::lines("up", "none".to_owned(), vec![query]))
}

/// Creates panels that are placed side by side.
fn numbered(group: Vec<(Subject, Drawn)>, scope: &str, ids: &mut PanelIds) -> Vec<Panel> {
    let title = format!("Overview of {scope}");
    let panel = |(at, (of, drawn)): (usize, (Subject, Drawn))| Panel {
        id: ids.next(&["overview", &title, &of.name, drawn.what]),
        title: text::title(&of.title(drawn.what)),
        description: text::shown(&of.description),
        view: drawn.view,
        unit: drawn.unit,
        queries: drawn.queries,
        belongs_to_previous: at > 0,
    };
    group.into_iter().enumerate().map(panel).collect()
}

/// An operation of a service, which may fail.
struct Operation<'a> {
    name: String,
    /// The instrument that counts the operations: a counter, or the histogram of durations.
    counted: &'a Instrument,
    duration: Option<&'a Instrument>,
    /// Matchers of failed operations.
    failures: Vec<String>,
}

impl<'a> Operation<'a> {
    /// Returns the operation that an instrument counts. A histogram `x.duration` belongs to the counter `x` if the
    /// scope has such a counter.
    fn of(instrument: &'a Instrument, of_scope: &'a [Instrument]) -> Option<Self> {
        match instrument.shape {
            Shape::Histogram(_) => {
                let known = KNOWN.iter().find(|(name, ..)| *name == instrument.name);
                let stem = stem(&instrument.name)?;
                let is_timer_of_another = of_scope.iter().any(|it| it.is_operation(stem));
                let (name, failures) = match known {
                    Some((_, what, failures)) => {
                        ((*what).to_owned(), failures.iter().map(|it| (*it).to_owned()).collect())
                    }
                    None if is_timer_of_another => return None,
                    None => (stem_of_short_name(instrument), failures_of(instrument)),
                };
                Some(Self { name, counted: instrument, duration: Some(instrument), failures })
            }
            Shape::Counter => {
                let timer = |it: &&Instrument| {
                    matches!(it.shape, Shape::Histogram(_))
                        && stem(&it.name) == Some(&instrument.name)
                };
                let duration = of_scope.iter().find(timer);
                let failures = failures_of(instrument);
                let name = instrument.short_name().to_owned();
                (duration.is_some() || !failures.is_empty()).then_some(Self {
                    name,
                    counted: instrument,
                    duration,
                    failures,
                })
            }
            Shape::Total | Shape::Level => None,
        }
    }
}

impl Operation<'_> {
    fn is_of_requests(&self) -> bool {
        self.counted.name.starts_with("http.")
    }
}

impl Instrument {
    fn is_operation(&self, name: &str) -> bool {
        self.shape == Shape::Counter && self.name == name
    }
}

/// Returns the name of the operation whose duration a histogram of this name measures.
fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".duration").or_else(|| name.strip_suffix("_duration"))
}

fn stem_of_short_name(instrument: &Instrument) -> String {
    let name = instrument.short_name();
    stem(name).unwrap_or(name).to_owned()
}

/// Returns matchers of the series that count failures.
fn failures_of(instrument: &Instrument) -> Vec<String> {
    let failure = |label: &Label| {
        let name = &*label.name;
        let values = label.values.iter().flatten().map(String::as_str);
        let failed: Vec<_> = values
            .filter(|value| FAILED.contains(value) || (name == "success" && *value == "false"))
            .collect();
        match (name, &*failed) {
            ("error_type", _) => Some(ERROR_TYPE.to_owned()),
            ("http_response_status_code", _) => Some(SERVER_ERROR.to_owned()),
            (_, []) => None,
            (_, [value]) => Some(format!("{name}=\"{value}\"")),
            (_, values) => Some(format!("{name}=~\"{}\"", values.join("|"))),
        }
    };
    instrument.labels.iter().filter_map(failure).collect()
}

fn label_of(matcher: &str) -> &str {
    matcher.split(['=', '!']).next().unwrap_or_default()
}

/// The subject of a group of panels.
#[derive(Clone)]
struct Subject {
    name: String,
    description: String,
}

impl Subject {
    fn new(name: &str, description: &str) -> Self {
        Self { name: name.to_owned(), description: description.to_owned() }
    }

    fn title(&self, what: &str) -> String {
        if what.is_empty() { self.name.clone() } else { format!("{}: {what}", self.name) }
    }
}

/// Draws the utilization of each connection pool, its pending requests, and its timeouts.
fn pools(
    drawing: &Drawing<'_>,
    of_scope: &[Instrument],
    all: &[Instrument],
) -> Vec<(Subject, Drawn)> {
    let label = |key| Label::new(key, Shape::Total, None).name;
    let (pool, state) =
        (label("db.client.connection.pool.name"), label("db.client.connection.state"));
    let by = ["job", "instance", &*pool];
    let legend = format!("{{{{job}}}} {{{{instance}}}} {{{{{pool}}}}}");
    let find = |name: &str| {
        let found = of_scope.iter().find(|it| it.name == format!("db.client.connection.{name}"))?;
        Some((found, drawing.select(found, is_shared(found, all))))
    };
    let lines = |name: &str, instrument: &Instrument, unit: &str, expression: String| {
        let query = Query { expression, legend: legend.clone() };
        let subject = Subject::new(name, &instrument.description);
        (subject, Drawn::lines("", unit.to_owned(), vec![query]))
    };
    let used = find("count").zip(find("max")).map(|((count, of), (_, max))| {
        let used = promql::sum_by(&by, &of.any(&state).equal(&state, "used").to_string());
        let share = format!("{used} / {}", promql::sum_by(&by, &max.to_string()));
        lines("Connections in use", count, "percentunit", share)
    });
    let waiting = find("pending_requests").map(|(instrument, of)| {
        let waiting = promql::sum_by(&by, &of.to_string());
        lines("Requests for connections", instrument, "short", waiting)
    });
    let timeouts = find("timeouts").map(|(instrument, of)| {
        let rate = promql::sum_by(&by, &of.rate(RATE_INTERVAL));
        lines("Timeouts of connections", instrument, "cps", rate)
    });
    [used, waiting, timeouts].into_iter().flatten().collect()
}

/// Draws processor time, memory and threads, each by instance.
fn process(
    drawing: &Drawing<'_>,
    of_scope: &[Instrument],
    all: &[Instrument],
) -> Vec<(Subject, Drawn)> {
    let panel = |name: &str, title: &str, is_rate: bool| {
        let instrument = of_scope.iter().find(|it| it.name == name)?;
        let of = drawing.select(instrument, is_shared(instrument, all));
        let (values, unit) = match is_rate {
            true => (of.rate(RATE_INTERVAL), unit::of_rate(&instrument.unit).unit),
            false => (of.to_string(), unit::of_value(&instrument.unit, name)),
        };
        let expression = promql::sum_by(&BY_INSTANCE, &values);
        let query = Query { expression, legend: "{{job}} {{instance}}".to_owned() };
        let subject = Subject::new(title, &instrument.description);
        Some((subject, Drawn::lines("", unit, vec![query])))
    };
    [
        panel("process.cpu.time", "Processor time", true),
        panel("process.memory.usage", "Memory", false),
        panel("process.thread.count", "Threads", false),
    ]
    .into_iter()
    .flatten()
    .collect()
}

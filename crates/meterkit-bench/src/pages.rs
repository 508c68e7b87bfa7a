//! Scrapes by other libraries and by meterkit, with the same series and names.

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};
use prometheus_client::encoding::EncodeLabelSet;

use crate::labels::{self, BOUNDS, REQUEST_KEYS, durations, for_each_series};
use crate::scrape::Holding;

/// Writes a page, and returns its length in bytes.
pub type Page = Box<dyn Fn() -> usize>;

/// A function that returns the page with this number of counters, histograms or instruments.
pub type MakePage = fn(Holding, usize) -> Page;

/// The other libraries, each with its function to create a page.
pub const ALL: [(&str, MakePage); 3] = [
    ("prometheus-client", prometheus_client),
    ("fastmetrics", fastmetrics),
    ("prometheus", prometheus),
];

/// Returns the pages of the other libraries, each with this number of counters, histograms or instruments.
pub fn all(holding: Holding, series: usize) -> [(&'static str, Page); 3] {
    ALL.map(|(name, page)| (name, page(holding, series)))
}

const COUNTER: &str = "backstage_core_bench_requests";
const HISTOGRAM: &str = "backstage_core_bench_requests_duration_seconds";

fn counter_of(at: usize) -> String {
    format!("backstage_core_bench_requests_of_{at}_bytes")
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet, fastmetrics::derive::LabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    tenant: String,
}

impl From<labels::Request<'_>> for Request {
    fn from(labels::Request { method, route, tenant }: labels::Request<'_>) -> Self {
        Self { method, route, tenant: tenant.to_owned() }
    }
}

fn prometheus_client(holding: Holding, series: usize) -> Page {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::Registry;

    let mut registry = Registry::default();
    match holding {
        Holding::Histograms => {
            let histograms: Family<Request, Histogram> =
                Family::new_with_constructor(|| Histogram::new(BOUNDS));
            let mut next = durations();
            for_each_series(series, |request| {
                let histogram = histograms.get_or_create_owned(&request.into());
                (0..10).for_each(|_| histogram.observe(next()));
            });
            registry.register(HISTOGRAM, "", histograms);
        }
        Holding::Instruments => {
            for at in 0..series {
                let counter = <Counter>::default();
                counter.inc_by(at as u64);
                registry.register(counter_of(at), "", counter);
            }
        }
        _ => {
            let (counters, mut n) = (Family::<Request, Counter>::default(), 0);
            for_each_series(series, |request| {
                n += 1;
                counters.get_or_create(&request.into()).inc_by(n);
            });
            registry.register(COUNTER, "", counters);
        }
    }
    Box::new(move || {
        let mut page = String::new();
        encode(&mut page, &registry).expect("text");
        page.len()
    })
}

fn fastmetrics(holding: Holding, series: usize) -> Page {
    use fastmetrics::format::text::{TextProfile, encode};
    use fastmetrics::metrics::counter::Counter;
    use fastmetrics::metrics::family::Family;
    use fastmetrics::metrics::histogram::Histogram;
    use fastmetrics::registry::Registry;

    let mut registry = Registry::default();
    match holding {
        Holding::Histograms => {
            let histograms: Family<Request, Histogram> = Family::new(|| Histogram::new(BOUNDS));
            let mut next = durations();
            for_each_series(series, |request| {
                histograms.with_or_new(&request.into(), |histogram| {
                    (0..10).for_each(|_| histogram.observe(next()));
                });
            });
            registry.register(HISTOGRAM, "", histograms).expect("a name");
        }
        Holding::Instruments => {
            for at in 0..series {
                let counter = <Counter>::default();
                counter.inc_by(at as u64);
                registry.register(counter_of(at), "", counter).expect("a name");
            }
        }
        _ => {
            let (counters, mut n) = (Family::<Request, Counter>::default(), 0);
            for_each_series(series, |request| {
                n += 1;
                counters.with_or_new(&request.into(), |counter| counter.inc_by(n));
            });
            registry.register(COUNTER, "", counters).expect("a name");
        }
    }
    Box::new(move || {
        let mut page = String::new();
        encode(&mut page, &registry, TextProfile::default()).expect("text");
        page.len()
    })
}

fn prometheus(holding: Holding, series: usize) -> Page {
    let registry = prometheus::Registry::new();
    match holding {
        Holding::Histograms => {
            let options = HistogramOpts::new(HISTOGRAM, "Took.").buckets(BOUNDS.to_vec());
            let histograms = HistogramVec::new(options, &REQUEST_KEYS).expect("a histogram vector");
            let mut next = durations();
            for_each_series(series, |labels::Request { method, route, tenant }| {
                let histogram = histograms.with_label_values(&[method, route, tenant]);
                (0..10).for_each(|_| histogram.observe(next()));
            });
            registry.register(Box::new(histograms)).expect("a name");
        }
        Holding::Instruments => {
            for at in 0..series {
                let counter = IntCounter::new(counter_of(at), "Counted.").expect("a counter");
                counter.inc_by(at as u64);
                registry.register(Box::new(counter)).expect("a name");
            }
        }
        _ => {
            let options = Opts::new(COUNTER, "Counted.");
            let counters = IntCounterVec::new(options, &REQUEST_KEYS).expect("a counter vector");
            let mut n = 0;
            for_each_series(series, |labels::Request { method, route, tenant }| {
                n += 1;
                counters.with_label_values(&[method, route, tenant]).inc_by(n);
            });
            registry.register(Box::new(counters)).expect("a name");
        }
    }
    Box::new(move || {
        let mut page = Vec::new();
        prometheus::TextEncoder::new().encode(&registry.gather(), &mut page).expect("text");
        page.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::Ours;

    #[test]
    fn pages_are_about_as_long_as_ours() {
        for holding in [Holding::Counters, Holding::Histograms, Holding::Instruments] {
            let ours = Ours::new(holding, 1000).scrape();
            for (library, page) in all(holding, 1000) {
                let theirs = page();
                let is_like = ours / 2 < theirs && theirs < ours * 2;
                assert!(is_like, "{holding:?}, {library}: {theirs} bytes, ours {ours}");
            }
        }
    }
}

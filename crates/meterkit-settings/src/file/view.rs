//! `views`: which instruments are selected, and how their streams change.

use meterkit_pipeline::{Aggregation, NamePattern, View, ViewSelector, ViewStream};

use crate::file::key_filter;
use crate::file::meter_provider::KINDS;
use crate::file::report::Report;
use crate::file::schema::{At, Fields};

pub(crate) fn read(at: At<'_>, report: &mut Report) -> Option<View> {
    let mut fields = at.fields(report)?;
    let selector = fields.need("selector", report);
    let selector = selector.and_then(|at| selector_of(at, report));
    let stream = fields.need("stream", report);
    let name_at = stream.clone();
    let stream = stream.and_then(|at| stream_of(at, report));
    fields.end(report);
    let view = View { selector: selector?, stream: stream? };
    if view.stream.name.is_some() && view.selector.is_wide() {
        // The specification allows refusing this: all selected instruments would have the same name.
        name_at?.problem(
            report,
            "has a `name`, but the selector may choose several instruments; write an `instrument_name` without wildcards",
        );
        return None;
    }
    Some(view)
}

fn selector_of(at: At<'_>, report: &mut Report) -> Option<ViewSelector> {
    let mut fields = at.fields(report)?;
    let selector = ViewSelector {
        instrument_name: text(&mut fields, "instrument_name", report).map(NamePattern::from),
        instrument_type: fields.take("instrument_type").and_then(|at| at.choice(&KINDS, report)),
        unit: text(&mut fields, "unit", report),
        meter_name: text(&mut fields, "meter_name", report),
        meter_version: text(&mut fields, "meter_version", report),
        meter_schema_url: text(&mut fields, "meter_schema_url", report),
    };
    fields.end(report);
    Some(selector)
}

fn text(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    fields.take(key)?.text(report).map(str::to_owned)
}

fn stream_of(at: At<'_>, report: &mut Report) -> Option<ViewStream> {
    let mut fields = at.fields(report)?;
    let name = fields.take("name");
    let description = fields.take("description");
    // An extension: in OpenTelemetry's schema, a view cannot change the unit.
    let unit = fields.take("unit");
    let aggregation = fields.take("aggregation");
    let limit = fields.take("aggregation_cardinality_limit");
    let keys = fields.take("attribute_keys");
    let stream = ViewStream {
        name: name.and_then(|at| at.filled_text(report)).map(str::to_owned),
        description: description.and_then(|at| at.text(report)).map(str::to_owned),
        unit: unit.and_then(|at| at.text(report)).map(str::to_owned),
        aggregation: aggregation.and_then(|at| aggregation_of(at, report)),
        cardinality_limit: limit.and_then(|at| at.count(report)),
        attribute_keys: keys.and_then(|at| key_filter::read(at, report)),
    };
    fields.end(report);
    Some(stream)
}

fn aggregation_of(at: At<'_>, report: &mut Report) -> Option<Aggregation> {
    let (name, at) = at.only("drop:", report)?;
    let plain = match name {
        "default" => Some(Aggregation::Default),
        "drop" => Some(Aggregation::Drop),
        "sum" => Some(Aggregation::Sum),
        "last_value" => Some(Aggregation::LastValue),
        _ => None,
    };
    if let Some(aggregation) = plain {
        at.fields_or_nothing(report)?.end(report);
        return Some(aggregation);
    }
    match name {
        "explicit_bucket_histogram" => explicit(at.fields_or_nothing(report)?, report),
        "base2_exponential_bucket_histogram" => exponential(at.fields_or_nothing(report)?, report),
        _ if report.is_newer => {
            at.unused(report);
            None
        }
        _ => {
            let reason = "is not an aggregation; write `default`, `drop`, `sum`, `last_value`, \
                          `explicit_bucket_histogram` or `base2_exponential_bucket_histogram`";
            report.problem(at.line, at.path, reason);
            None
        }
    }
}

fn explicit(mut fields: Fields<'_>, report: &mut Report) -> Option<Aggregation> {
    let boundaries = fields.take("boundaries").map(|at| {
        let items = at.items(0, report);
        let bounds: Vec<f64> = items.iter().filter_map(|item| item.number(report)).collect();
        let is_rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !is_rising || !bounds.iter().all(|bound| bound.is_finite()) {
            at.problem(
                report,
                "must increase from one boundary to the next; write for example `[1, 5, 10]`",
            );
        }
        bounds
    });
    let record_min_max = record_min_max(&mut fields, report);
    fields.end(report);
    Some(Aggregation::ExplicitBuckets { boundaries, record_min_max })
}

fn exponential(mut fields: Fields<'_>, report: &mut Report) -> Option<Aggregation> {
    let max_scale = fields.take("max_scale");
    let max_scale = max_scale
        .and_then(|at| at.integer(-10..=20, "a whole number from -10 to 20", report))
        .and_then(|scale| i8::try_from(scale).ok());
    let max_size = fields.take("max_size");
    let max_size = max_size
        .and_then(|at| {
            let largest = i128::from(u32::MAX);
            at.integer(2..=largest, "a whole number, 2 or more, `160` for example", report)
        })
        .and_then(|size| u32::try_from(size).ok());
    let record_min_max = record_min_max(&mut fields, report);
    fields.end(report);
    Some(Aggregation::ExponentialBuckets {
        max_scale: max_scale.unwrap_or(20),
        max_size: max_size.unwrap_or(160),
        record_min_max,
    })
}

fn record_min_max(fields: &mut Fields<'_>, report: &mut Report) -> bool {
    fields.take("record_min_max").and_then(|at| at.boolean(report)).unwrap_or(true)
}

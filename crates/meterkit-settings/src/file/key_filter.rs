//! `included` and `excluded`: filters for keys.

use meterkit_pipeline::{KeyFilter, NamePattern};

use crate::file::report::Report;
use crate::file::schema::At;

pub(crate) fn read(at: At<'_>, report: &mut Report) -> Option<KeyFilter> {
    let mut fields = at.fields(report)?;
    let mut patterns = |key, report: &mut Report| {
        let patterns: Option<Vec<NamePattern>> = fields
            .take(key)
            .map(|at| at.texts(report).into_iter().map(NamePattern::from).collect());
        patterns
    };
    let included = patterns("included", report);
    let excluded = patterns("excluded", report).unwrap_or_default();
    fields.end(report);
    Some(KeyFilter { included, excluded })
}

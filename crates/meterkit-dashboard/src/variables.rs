//! The variables of a dashboard, whose values the viewer chooses.

use std::collections::{BTreeMap, BTreeSet};

use crate::instrument::{Instrument, Shape};
use crate::promql::Selector;
use crate::text;

/// The variable for the data source of all queries.
pub(crate) const DATASOURCE: &str = "datasource";
/// The variable for services, which Prometheus calls jobs.
pub(crate) const SERVICE: &str = "service";
/// The variable for the instances of a service.
pub(crate) const INSTANCE: &str = "instance";

/// The value for "all". It also matches series without the label.
pub(crate) const ANY: &str = ".*";

/// The maximum length of all metric names together, in bytes, in a query for label values. The query becomes part of a
/// URL, and servers accept URLs of only a few thousand bytes.
const NAMES_LIMIT: usize = 2000;

/// The variables of a dashboard, besides the data source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// The variables, in display order.
    pub(crate) list: Vec<Variable>,
    /// The variables of labels, by the name of the label.
    of_labels: BTreeMap<String, String>,
}

/// A variable that selects any number of values.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) values: Values,
}

/// Where the values of a variable come from.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// The data source returns the values for this query.
    Query(String),
    /// The values are known.
    Known(Vec<String>),
}

impl Variables {
    pub(crate) fn of(instruments: &[Instrument]) -> Self {
        let mut closed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for label in instruments.iter().flat_map(Instrument::closed_labels) {
            let values = closed.entry(&label.name).or_default();
            values.extend(label.values.iter().flatten().map(String::as_str));
        }
        let services = presence(instruments);
        let instances = services.clone().variable("job", SERVICE);
        let mut list = vec![
            Variable::asked(SERVICE, "Service", format!("label_values({services}, job)")),
            Variable::asked(INSTANCE, "Instance", format!("label_values({instances}, instance)")),
        ];
        let mut of_labels = BTreeMap::new();
        let mut taken = BTreeSet::from([DATASOURCE, SERVICE, INSTANCE].map(str::to_owned));
        for (label, values) in closed {
            let mut name = label.to_owned();
            // Grafana reserves names that begin with two underscores.
            while name.starts_with("__") || !taken.insert(name.clone()) {
                name.insert_str(0, "label_");
            }
            let values = match values.iter().all(|value| can_be_listed(value)) {
                true => Values::Known(values.into_iter().map(str::to_owned).collect()),
                false => {
                    let scope = services.clone().variable("job", SERVICE);
                    Values::Query(format!("label_values({scope}, {label})"))
                }
            };
            of_labels.insert(label.to_owned(), name.clone());
            list.push(Variable { name, title: text::words(label), values });
        }
        Self { list, of_labels }
    }

    /// Returns the name of the variable for a label.
    pub(crate) fn of_label(&self, label: &str) -> Option<&str> {
        self.of_labels.get(label).map(String::as_str)
    }
}

impl Variable {
    fn asked(name: &str, title: &str, query: String) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), values: Values::Query(query) }
    }

    /// Returns known values as a comma-separated list, which is the format that Grafana reads.
    pub(crate) fn listed(values: &[String]) -> String {
        let values: Vec<_> = values.iter().map(|value| value.replace(',', "\\,")).collect();
        values.join(",")
    }
}

/// Returns a selector of the series that determine the services and instances: all series of the dashboard, or
/// `target_info`, which every service with OpenTelemetry exports, if there are no names or if they are too long.
fn presence(instruments: &[Instrument]) -> Selector {
    let names: BTreeSet<_> = instruments.iter().map(presence_of).collect();
    let names: Vec<_> = names.into_iter().collect();
    let names = names.join("|");
    if names.is_empty() || names.len() > NAMES_LIMIT {
        return Selector::new("target_info");
    }
    Selector::new("").raw(format!("__name__=~\"{names}\""))
}

/// Returns a pattern for the instrument's name that does not match its bucket series.
fn presence_of(instrument: &Instrument) -> String {
    match instrument.shape {
        // A native histogram has no `_count` series.
        Shape::Histogram(_) => format!("{}(_count)?", instrument.family),
        _ => instrument.family.clone(),
    }
}

/// Returns whether Grafana reads the value back unchanged from a list. Grafana trims values, interprets backslashes,
/// and reads `a : b` as a value `b` that is displayed as `a`.
fn can_be_listed(value: &str) -> bool {
    !value.is_empty()
        && value.trim() == value
        && !value.contains(" : ")
        && !value.contains(|c: char| c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::Label;
    use crate::self_metrics;

    fn with_labels(labels: Vec<Label>) -> Instrument {
        let mut instrument = self_metrics::instruments().remove(0);
        instrument.family = "requests_total".to_owned();
        instrument.shape = Shape::Counter;
        instrument.labels = labels;
        instrument
    }

    fn label(key: &str, values: &[&str]) -> Label {
        Label::new(key, Shape::Counter, Some(values.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_label_of_several_instruments_has_one_variable_with_all_values() {
        let one = with_labels(vec![label("kind", &["b", "a"])]);
        let other = with_labels(vec![
            label("kind", &["c", "a"]),
            Label::new("route", Shape::Counter, None),
        ]);
        let variables = Variables::of(&[one, other]);
        assert_eq!(variables.list.len(), 3);
        let Values::Known(values) = &variables.list[2].values else { panic!("{variables:?}") };
        assert_eq!(values, &["a", "b", "c"]);
        assert_eq!(variables.of_label("kind"), Some("kind"));
        assert_eq!(variables.of_label("route"), None, "its values are not known");
    }

    #[test]
    fn labels_named_like_other_variables_get_a_prefix() {
        let labels = ["service", "label_service", "datasource", "instance"];
        let labels = labels.map(|key| label(key, &["a"])).to_vec();
        let variables = Variables::of(&[with_labels(labels)]);
        for (label, expected) in [
            ("service", "label_label_service"),
            ("label_service", "label_service"),
            ("datasource", "label_datasource"),
            // A scrape renames the label `instance` to this name.
            ("exported_instance", "exported_instance"),
        ] {
            assert_eq!(variables.of_label(label), Some(expected), "{label}");
        }
    }

    #[test]
    fn values_that_a_list_cannot_contain_are_queried() {
        for (value, is_known) in [
            ("a,b", true),
            ("a:b", true),
            ("a\"b$c", true),
            ("", false),
            (" a", false),
            ("a : b", false),
            ("a\\b", false),
            ("a\nb", false),
        ] {
            let variables = Variables::of(&[with_labels(vec![label("l", &["x", value])])]);
            let values = &variables.list[2].values;
            assert_eq!(matches!(values, Values::Known(_)), is_known, "{value:?}: {values:?}");
        }
        assert_eq!(Variable::listed(&["a,b".to_owned(), "c".to_owned()]), "a\\,b,c");
    }

    #[test]
    fn services_come_from_the_dashboards_metrics_unless_there_are_too_many() {
        let query = |instruments: &[Instrument]| match &Variables::of(instruments).list[0].values {
            Values::Query(query) => query.clone(),
            values => panic!("{values:?}"),
        };
        let one = with_labels(Vec::new());
        assert_eq!(
            query(std::slice::from_ref(&one)),
            "label_values({__name__=~\"requests_total\"}, job)"
        );
        let many: Vec<_> = (0..200)
            .map(|at| Instrument { family: format!("requests_{at}_total"), ..one.clone() })
            .collect();
        assert_eq!(query(&many), "label_values(target_info, job)");
        assert_eq!(query(&[]), "label_values(target_info, job)");
    }
}

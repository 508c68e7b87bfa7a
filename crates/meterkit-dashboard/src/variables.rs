//! Variables of a dashboard: what its viewer chooses from.

use std::collections::{BTreeMap, BTreeSet};

use crate::instrument::{Instrument, Shape};
use crate::promql::Selector;
use crate::text;

/// The data source that everything is asked of.
pub(crate) const DATASOURCE: &str = "datasource";
/// The services, which Prometheus calls jobs.
pub(crate) const SERVICE: &str = "service";
/// The instances of a service.
pub(crate) const INSTANCE: &str = "instance";

/// What stands for all values: it lets also those series through that lack the label.
pub(crate) const ANY: &str = ".*";

/// Names of metrics up to this many bytes are put into a query for the values of a label. It goes into a URL, and
/// servers take some thousand bytes of that.
const NAMES_LIMIT: usize = 2000;

/// The variables of a dashboard, besides the data source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// In the order in which they are shown.
    pub(crate) list: Vec<Variable>,
    /// The variables of labels, by the name of the label.
    of_labels: BTreeMap<String, String>,
}

/// A variable whose value is any choice of some values.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) values: Values,
}

/// Where the values of a variable come from.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// A query to the data source.
    Query(String),
    /// They are known.
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
            // Grafana keeps names that begin so for itself.
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

    /// The variable that chooses among the values of a label.
    pub(crate) fn of_label(&self, label: &str) -> Option<&str> {
        self.of_labels.get(label).map(String::as_str)
    }
}

impl Variable {
    fn asked(name: &str, title: &str, query: String) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), values: Values::Query(query) }
    }

    /// Known values as Grafana reads them: between commas.
    pub(crate) fn listed(values: &[String]) -> String {
        let values: Vec<_> = values.iter().map(|value| value.replace(',', "\\,")).collect();
        values.join(",")
    }
}

/// The series that tell which services and instances there are: all those of the dashboard, or else what every service
/// with OpenTelemetry has.
fn presence(instruments: &[Instrument]) -> Selector {
    let names: BTreeSet<_> = instruments.iter().map(presence_of).collect();
    let names: Vec<_> = names.into_iter().collect();
    let names = names.join("|");
    if names.is_empty() || names.len() > NAMES_LIMIT {
        return Selector::new("target_info");
    }
    Selector::new("").raw(format!("__name__=~\"{names}\""))
}

/// A name that one series of the instrument has, and not each of its buckets.
fn presence_of(instrument: &Instrument) -> String {
    match instrument.shape {
        // Native ones have their own name only.
        Shape::Histogram(_) => format!("{}(_count)?", instrument.family),
        _ => instrument.family.clone(),
    }
}

/// Whether Grafana reads the value back from a list: it trims values, reads backslashes in its own way, and takes
/// `a : b` for a value `b` that is shown as `a`.
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
    fn labels_that_are_called_like_other_variables_get_a_prefix() {
        let labels = ["service", "label_service", "datasource", "instance"];
        let labels = labels.map(|key| label(key, &["a"])).to_vec();
        let variables = Variables::of(&[with_labels(labels)]);
        for (label, expected) in [
            ("service", "label_label_service"),
            ("label_service", "label_service"),
            ("datasource", "label_datasource"),
            // As a scrape has it.
            ("exported_instance", "exported_instance"),
        ] {
            assert_eq!(variables.of_label(label), Some(expected), "{label}");
        }
    }

    #[test]
    fn values_that_a_list_cannot_hold_are_asked_for() {
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
    fn services_are_those_with_the_metrics_of_the_dashboard_unless_there_are_too_many() {
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

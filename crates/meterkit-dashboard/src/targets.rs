//! The targets of a service, which determine how missing metrics can be noticed.

/// The targets of a service, by their names in `OTEL_METRICS_EXPORTER`. Without names, the service may have any target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    names: Vec<String>,
}

/// The target that Prometheus scrapes.
const SCRAPED: &str = "prometheus";
/// The target that writes to the console.
const PRINTED: &str = "console";
/// The target that queues undelivered requests.
const QUEUED: &str = "grafana";

impl Targets {
    pub(crate) fn add(&mut self, name: String) {
        self.names.push(name);
        self.names.sort();
        self.names.dedup();
    }

    pub(crate) fn are_scraped(&self) -> bool {
        self.has(SCRAPED)
    }

    pub(crate) fn are_pushed(&self) -> bool {
        self.names.is_empty() || self.pushed() > 0
    }

    /// Returns whether the failure of a push target can be reported through another target.
    pub(crate) fn report_each_other(&self) -> bool {
        self.are_pushed() && (self.are_scraped() || self.pushed() > 1)
    }

    pub(crate) fn have_queue(&self) -> bool {
        self.has(QUEUED)
    }

    fn has(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|it| it == name)
    }

    fn pushed(&self) -> usize {
        self.names.iter().filter(|it| ![SCRAPED, PRINTED].contains(&&***it)).count()
    }
}

//! The rows of a dashboard: the service, its plugins and other scopes, the process, and `meterkit` itself.

use crate::instrument::Instrument;
use crate::panels::{Drawing, Panel, shared_families};
use crate::text;
use crate::uid::PanelIds;

/// A row of a dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: u32,
    pub(crate) title: String,
    /// Whether the row is initially collapsed.
    pub(crate) is_collapsed: bool,
    pub(crate) panels: Vec<Panel>,
}

/// Scopes that describe the process, its allocator and its runtime.
const PROCESS: [&str; 5] = [
    "meterkit.process",
    "meterkit.jemalloc",
    "meterkit.mimalloc",
    "meterkit.tasks",
    "meterkit.tokio",
];

impl Drawing<'_> {
    /// Returns all rows. `instruments` must be ordered by scope. `own` contains `meterkit`'s self-metrics.
    pub(crate) fn rows(
        &self,
        instruments: &[Instrument],
        own: &[Instrument],
        ids: &mut PanelIds,
    ) -> Vec<Row> {
        let all = [instruments, own].concat();
        let row = |id, title: &str, is_collapsed, panels: Vec<Panel>| {
            (!panels.is_empty()).then(|| Row {
                id,
                title: text::title(title),
                is_collapsed,
                panels,
            })
        };
        let of_scopes = instruments.chunk_by(|a, b| scope(a) == scope(b));
        let (of_process, of_program): (Vec<_>, Vec<_>) = of_scopes.partition(|it| is_process(it));

        let service = self.service(instruments, &all, ids);
        let mut rows = vec![row(ids.next(&["service"]), "Service", false, service)];
        for of_scope in of_program {
            let Some(first) = of_scope.first() else { continue };
            let panels = self.scope(of_scope, &all, ids);
            rows.push(row(ids.next(&["row", &named(first)]), &title(first), false, panels));
        }
        let panels = of_process.into_iter().flat_map(|it| self.scope(it, &all, ids)).collect();
        rows.push(row(ids.next(&["process"]), "Process and runtime", false, panels));
        let panels = self.each(own, &all, ids);
        rows.push(row(ids.next(&["row", "meterkit"]), "Metrics pipeline (meterkit)", true, panels));
        rows.into_iter().flatten().collect()
    }

    /// Draws a scope: first the overview, then each instrument.
    fn scope(&self, of_scope: &[Instrument], all: &[Instrument], ids: &mut PanelIds) -> Vec<Panel> {
        let mut panels = self.overview(of_scope, all, ids);
        panels.extend(self.each(of_scope, all, ids));
        panels
    }

    fn each(&self, of_scope: &[Instrument], all: &[Instrument], ids: &mut PanelIds) -> Vec<Panel> {
        let shared = shared_families(all);
        let is_shared = |it: &Instrument| shared.get(&*it.family).is_some_and(|count| *count > 1);
        of_scope.iter().flat_map(|it| self.panels(it, is_shared(it), ids)).collect()
    }
}

fn is_process(of_scope: &[Instrument]) -> bool {
    of_scope.iter().all(|it| PROCESS.contains(&&*it.scope) || it.name.starts_with("process."))
}

fn scope(instrument: &Instrument) -> (&str, Option<&str>) {
    (&instrument.scope, instrument.scope_version.as_deref())
}

/// Returns the name and the version of a scope.
pub(crate) fn named(instrument: &Instrument) -> String {
    match &instrument.scope_version {
        Some(version) => format!("{} {version}", instrument.scope),
        None => instrument.scope.clone(),
    }
}

/// Returns the title of a scope's row: `Plugin catalog` for `backstage.plugin.catalog`.
fn title(instrument: &Instrument) -> String {
    let named = named(instrument);
    match named.splitn(3, '.').collect::<Vec<_>>()[..] {
        [_, "plugin", name] => format!("Plugin {name}"),
        [_, "core", name] => format!("Core {name}"),
        _ => named,
    }
}

//! A dashboard as a resource of Grafana's schema v2.

use serde_json::{Map, Value, json};

use crate::classic::links;
use crate::dashboard::Sheet;
use crate::grid::{self, GridPosition};
use crate::panels::Panel;
use crate::rows::Row;
use crate::variables::{ANY, DATASOURCE, Values, Variable};
use crate::{plugin, text};

const API_VERSION: &str = "dashboard.grafana.app/v2";

/// The version of the query schema. There is only this version.
const QUERY_VERSION: &str = "v0";

pub(crate) fn dashboard(sheet: &Sheet<'_>) -> Value {
    let panels = sheet.rows.iter().flat_map(|row| &row.panels);
    let elements: Map<_, _> = panels.map(|of| (element(of), panel(of))).collect();
    let mut variables = vec![datasource_variable()];
    variables.extend(sheet.variables.list.iter().map(variable));
    json!({
        "apiVersion": API_VERSION,
        "kind": "Dashboard",
        "metadata": {"name": sheet.uid},
        "spec": {
            "annotations": [],
            "cursorSync": "Crosshair",
            "description": text::shown(sheet.description),
            "editable": true,
            "elements": elements,
            "layout": {
                "kind": "RowsLayout",
                "spec": {"rows": sheet.rows.iter().map(row).collect::<Vec<_>>()},
            },
            "links": links(sheet.links),
            "liveNow": false,
            "preload": false,
            "tags": [plugin::TAG],
            "timeSettings": {
                "autoRefresh": plugin::REFRESH,
                "autoRefreshIntervals": ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h"],
                "fiscalYearStartMonth": 0,
                "from": plugin::FROM,
                "hideTimepicker": false,
                "timezone": "",
                "to": plugin::TO,
            },
            "title": sheet.title,
            "variables": variables,
        },
    })
}

/// Returns the name of a panel within the dashboard.
fn element(panel: &Panel) -> String {
    format!("panel-{}", panel.id)
}

fn row(row: &Row) -> Value {
    let item = |(panel, place): (&Panel, GridPosition)| {
        json!({
            "kind": "GridLayoutItem",
            "spec": {
                "element": {"kind": "ElementReference", "name": element(panel)},
                "height": place.height,
                "width": place.width,
                "x": place.x,
                "y": place.y,
            },
        })
    };
    let items: Vec<_> = row.panels.iter().zip(grid::places(&row.panels)).map(item).collect();
    json!({
        "kind": "RowsLayoutRow",
        "spec": {
            "collapse": row.is_collapsed,
            "layout": {"kind": "GridLayout", "spec": {"items": items}},
            "title": row.title,
        },
    })
}

fn panel(panel: &Panel) -> Value {
    let query = |(at, query)| {
        json!({
            "kind": "PanelQuery",
            "spec": {
                "hidden": false,
                "query": data_query(&plugin::query(query, panel.view)),
                "refId": plugin::reference(at),
            },
        })
    };
    json!({
        "kind": "Panel",
        "spec": {
            "data": {
                "kind": "QueryGroup",
                "spec": {
                    "queries": panel.queries.iter().enumerate().map(query).collect::<Vec<_>>(),
                    "queryOptions": {},
                    "transformations": [],
                },
            },
            "description": panel.description,
            "id": panel.id,
            "links": [],
            "title": panel.title,
            "vizConfig": {
                "group": panel.view.plugin(),
                "kind": "VizConfig",
                "spec": {
                    "fieldConfig": plugin::field_config(panel),
                    "options": plugin::options(panel),
                },
                // Empty: use the plugin's version in Grafana.
                "version": "",
            },
        },
    })
}

fn data_query(spec: &Value) -> Value {
    json!({
        "datasource": {"name": plugin::datasource()},
        "group": "prometheus",
        "kind": "DataQuery",
        "spec": spec,
        "version": QUERY_VERSION,
    })
}

fn datasource_variable() -> Value {
    json!({
        "kind": "DatasourceVariable",
        "spec": {
            "allowCustomValue": true,
            "current": {"text": "", "value": ""},
            "hide": "dontHide",
            "includeAll": false,
            "label": "Data source",
            "multi": false,
            "name": DATASOURCE,
            "options": [],
            "pluginId": "prometheus",
            "refresh": "onDashboardLoad",
            "regex": "",
            "skipUrlSync": false,
        },
    })
}

fn variable(variable: &Variable) -> Value {
    let mut spec = json!({
        "allValue": ANY,
        "allowCustomValue": true,
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": "dontHide",
        "includeAll": true,
        "label": variable.title,
        "multi": true,
        "name": variable.name,
        "options": [],
        "skipUrlSync": false,
    });
    let kind = match &variable.values {
        Values::Query(query) => {
            spec["definition"] = json!(query);
            spec["query"] = data_query(&json!({"query": query, "refId": variable.name}));
            spec["refresh"] = json!("onTimeRangeChanged");
            spec["regex"] = json!("");
            spec["sort"] = json!("alphabeticalAsc");
            "QueryVariable"
        }
        Values::Known(values) => {
            let option = |value: &String| json!({"text": value, "value": value});
            spec["options"] = values.iter().map(option).collect();
            spec["query"] = json!(Variable::listed(values));
            "CustomVariable"
        }
    };
    json!({"kind": kind, "spec": spec})
}

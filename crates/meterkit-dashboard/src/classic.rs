//! A dashboard as classic JSON.
//!
//! The schema version is that of Grafana 9. Newer versions of Grafana read it, but older versions do not read newer
//! schemas.

use serde_json::{Value, json};

use crate::dashboard::{Link, Sheet};
use crate::grid::{self, COLUMNS, GridPosition, TITLE_HEIGHT};
use crate::panels::Panel;
use crate::rows::Row;
use crate::variables::{ANY, DATASOURCE, Values, Variable};
use crate::{plugin, text};

const SCHEMA_VERSION: u32 = 36;

pub(crate) fn dashboard(sheet: &Sheet<'_>) -> Value {
    let mut y = 0;
    let mut panels = Vec::new();
    for row in &sheet.rows {
        let mut title = title(row, y);
        y += TITLE_HEIGHT;
        let places = grid::places(&row.panels);
        let placed = row.panels.iter().zip(&places);
        let placed = placed.map(|(of, place)| panel(of, GridPosition { y: y + place.y, ..*place }));
        let placed: Vec<_> = placed.collect();
        // A collapsed row contains its panels, and takes no space for them.
        if row.is_collapsed {
            title["panels"] = Value::Array(placed);
            panels.push(title);
        } else {
            panels.push(title);
            panels.extend(placed);
            y += grid::height(&places);
        }
    }
    let mut variables = vec![datasource_variable()];
    variables.extend(sheet.variables.list.iter().map(variable));
    json!({
        "annotations": {"list": []},
        "description": text::shown(sheet.description),
        "editable": true,
        "fiscalYearStartMonth": 0,
        // Show the crosshair on all panels at once.
        "graphTooltip": 1,
        "links": links(sheet.links),
        "panels": panels,
        "refresh": plugin::REFRESH,
        "schemaVersion": SCHEMA_VERSION,
        "tags": [plugin::TAG],
        "templating": {"list": variables},
        "time": {"from": plugin::FROM, "to": plugin::TO},
        "timepicker": {},
        "timezone": "",
        "title": sheet.title,
        "uid": sheet.uid,
    })
}

fn title(row: &Row, y: u32) -> Value {
    json!({
        "collapsed": row.is_collapsed,
        "gridPos": {"h": TITLE_HEIGHT, "w": COLUMNS, "x": 0, "y": y},
        "id": row.id,
        "panels": [],
        "title": row.title,
        "type": "row",
    })
}

fn panel(panel: &Panel, place: GridPosition) -> Value {
    let query = |(at, query)| {
        let mut target = plugin::query(query, panel.view);
        target["datasource"] = datasource();
        target["refId"] = json!(plugin::reference(at));
        target
    };
    json!({
        "datasource": datasource(),
        "description": panel.description,
        "fieldConfig": plugin::field_config(panel),
        "gridPos": {"h": place.height, "w": place.width, "x": place.x, "y": place.y},
        "id": panel.id,
        "options": plugin::options(panel),
        "targets": panel.queries.iter().enumerate().map(query).collect::<Vec<_>>(),
        "title": panel.title,
        "type": panel.view.plugin(),
    })
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": plugin::datasource()})
}

fn datasource_variable() -> Value {
    json!({
        // Empty: Grafana uses its default data source.
        "current": {"text": "", "value": ""},
        "hide": 0,
        "includeAll": false,
        "label": "Data source",
        "multi": false,
        "name": DATASOURCE,
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": false,
        "type": "datasource",
    })
}

fn variable(variable: &Variable) -> Value {
    let mut json = json!({
        "allValue": ANY,
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "includeAll": true,
        "label": variable.title,
        "multi": true,
        "name": variable.name,
        "skipUrlSync": false,
    });
    match &variable.values {
        Values::Query(query) => {
            json["type"] = json!("query");
            json["datasource"] = datasource();
            json["query"] = json!(query);
            // 2: refresh whenever the time range changes.
            json["refresh"] = json!(2);
            // 1: sort alphabetically.
            json["sort"] = json!(1);
            json["regex"] = json!("");
            json["options"] = json!([]);
        }
        Values::Known(values) => {
            json["type"] = json!("custom");
            json["query"] = json!(Variable::listed(values));
            json["options"] = json!(options(values));
        }
    }
    json
}

/// Returns the options for "all" and for each value.
fn options(values: &[String]) -> Vec<Value> {
    let all = json!({"selected": true, "text": "All", "value": "$__all"});
    let each = values.iter();
    let each = each.map(|value| json!({"selected": false, "text": value, "value": value}));
    std::iter::once(all).chain(each).collect()
}

/// Returns the links, which are the same in both formats.
pub(crate) fn links(links: &[Link]) -> Vec<Value> {
    let others = json!({
        "asDropdown": true,
        "icon": "external link",
        "includeVars": true,
        "keepTime": true,
        "tags": [plugin::TAG],
        "targetBlank": false,
        "title": "Dashboards",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    });
    let link = |link: &Link| {
        json!({
            "asDropdown": false,
            "icon": "external link",
            "includeVars": false,
            "keepTime": false,
            "tags": [],
            "targetBlank": true,
            "title": link.title,
            "tooltip": "",
            "type": "link",
            "url": link.url,
        })
    };
    std::iter::once(others).chain(links.iter().map(link)).collect()
}

//! What Grafana's panels are told, in either format.

use serde_json::{Value, json};

use crate::panels::{Panel, Query, View};
use crate::unit;
use crate::variables::DATASOURCE;

/// The dashboard of the newest minutes, looked at again and again.
pub(crate) const FROM: &str = "now-1h";
pub(crate) const TO: &str = "now";
pub(crate) const REFRESH: &str = "30s";

/// All dashboards of this library have it, so that they can link to each other.
pub(crate) const TAG: &str = "meterkit";

/// The data source that the viewer chose.
pub(crate) fn datasource() -> String {
    format!("${{{DATASOURCE}}}")
}

impl View {
    /// The plugin that draws it.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Self::Lines => "timeseries",
            Self::HeatMap => "heatmap",
        }
    }

    /// In which form the data source is to give the values.
    fn format(self) -> &'static str {
        match self {
            Self::Lines => "time_series",
            Self::HeatMap => "heatmap",
        }
    }
}

/// The options of a panel's plugin.
pub(crate) fn options(panel: &Panel) -> Value {
    match panel.view {
        View::Lines => json!({
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": true,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        View::HeatMap => json!({
            "calculate": false,
            "cellGap": 1,
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": false,
                "scheme": "Oranges",
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "legend": {"show": true},
            "showValue": "never",
            "tooltip": {"mode": "single"},
            "yAxis": {"unit": panel.unit},
        }),
    }
}

/// How values are shown.
pub(crate) fn field_config(panel: &Panel) -> Value {
    // The unit of a heat map is that of its axis; its cells are counts.
    let mut defaults = match panel.view {
        View::Lines => json!({
            "custom": {"fillOpacity": 8, "showPoints": "auto"},
            "unit": panel.unit,
        }),
        View::HeatMap => json!({}),
    };
    if panel.view == View::Lines && unit::is_share_unit(&panel.unit) {
        defaults["min"] = json!(0);
    }
    json!({"defaults": defaults, "overrides": []})
}

/// A query as the data source of Prometheus takes it, without its reference.
pub(crate) fn query(query: &Query, view: View) -> Value {
    json!({
        "editorMode": "code",
        "expr": query.expression,
        "format": view.format(),
        "legendFormat": query.legend,
        "range": true,
    })
}

/// `A`, `B`, and so on: no panel has more than three.
pub(crate) fn reference(at: usize) -> String {
    char::from(b'A' + u8::try_from(at % 26).unwrap_or_default()).to_string()
}

//! Settings of panels that are the same in both formats.

use serde_json::{Value, json};

use crate::panels::{Panel, Query, View};
use crate::unit;
use crate::variables::DATASOURCE;

/// The default time range and refresh interval of a dashboard.
pub(crate) const FROM: &str = "now-1h";
pub(crate) const TO: &str = "now";
pub(crate) const REFRESH: &str = "30s";

/// The tag of all dashboards of this library, by which they link to each other.
pub(crate) const TAG: &str = "meterkit";

/// Returns the variable with the data source that the viewer chose.
pub(crate) fn datasource() -> String {
    format!("${{{DATASOURCE}}}")
}

impl View {
    /// Returns the plugin that draws the view.
    pub(crate) fn plugin(self) -> &'static str {
        match self {
            Self::Lines => "timeseries",
            Self::HeatMap => "heatmap",
        }
    }

    /// Returns the format in which the data source must return values.
    fn format(self) -> &'static str {
        match self {
            Self::Lines => "time_series",
            Self::HeatMap => "heatmap",
        }
    }
}

/// Returns the options of a panel's plugin.
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

/// Returns the configuration for displaying values.
pub(crate) fn field_config(panel: &Panel) -> Value {
    // The unit of a heat map belongs to its axis, because its cells are counts.
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

/// Returns a query for the Prometheus data source, without its reference.
pub(crate) fn query(query: &Query, view: View) -> Value {
    json!({
        "editorMode": "code",
        "expr": query.expression,
        "format": view.format(),
        "legendFormat": query.legend,
        "range": true,
    })
}

/// Returns the reference of a query: `A`, `B`, and so on. No panel has more than three queries.
pub(crate) fn reference(at: usize) -> String {
    char::from(b'A' + u8::try_from(at % 26).unwrap_or_default()).to_string()
}

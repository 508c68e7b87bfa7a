//! The catalog lists what a program declares, and its text does not depend on how the program got there.

use meterkit_core::{
    CallbackGuard, Catalog, CatalogEntry, InstrumentError, LabelKey, LabelRef, LabelVisitor,
    Labels, Naming, NamingPolicy, Registry, ScopePatterns,
};

struct Request {
    route: &'static str,
    cached: Option<bool>,
    success: bool,
}

impl Labels for Request {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[
        LabelKey::new("http.route").max_values(50),
        LabelKey::of::<Option<bool>>("cached"),
        LabelKey::of::<bool>("success"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.route));
        visitor.visit(self.cached.map_or(LabelRef::Absent, LabelRef::Bool));
        visitor.visit(LabelRef::Bool(self.success));
    }
}

type Step = fn(&Registry) -> Result<Option<CallbackGuard>, InstrumentError>;

/// Steps that each create one instrument.
const ONE_OF_EACH: [Step; 6] = [
    |registry| {
        let meter = registry.scoped("plugin", "catalog");
        let counter = meter.counter_group::<Request, u64>("requests").unit("{request}");
        let _ = counter
            .description("Requests | tries,\nby route.")
            .attribute("tier", "gold")
            .build()?;
        Ok(None)
    },
    |registry| {
        let _ =
            registry.scoped("plugin", "catalog").up_down_counter::<i64>("tasks.active").build()?;
        Ok(None)
    },
    |registry| {
        let _ =
            registry.scoped("plugin", "catalog").gauge::<f64>("cache.usage").unit("1").build()?;
        Ok(None)
    },
    |registry| {
        let meter = registry.scoped("plugin", "catalog");
        let _ = meter.histogram::<f64>("duration").unit("s").buckets([2.5e-5, 0.1, 1.0]).build()?;
        Ok(None)
    },
    |registry| {
        let meter = registry.scoped("core", "database");
        let meter = meter.version("1.2.0").schema_url("https://example.org/v1");
        let gauge = meter.attribute("db.system", "sqlite").observable_gauge::<u64>("rows");
        gauge.unit("{row}").description("Rows.").observe(|| 7).map(Some)
    },
    |registry| {
        let _ = registry.semconv("http-server").counter::<f64>("http.cost").unit("J").build()?;
        Ok(None)
    },
];

fn one_of_each() -> Registry {
    let registry = Registry::new();
    for step in ONE_OF_EACH {
        // Values from a callback stay declared after its guard is dropped.
        drop(step(&registry).unwrap());
    }
    registry
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.entries.iter().map(|entry| &*entry.name).collect()
}

const JSON: &str = r#"{
  "entries": [
    {
      "name": "backstage.core.database.rows",
      "prometheus_name": "backstage_core_database_rows",
      "kind": "observable gauge",
      "number_type": "u64",
      "unit": "{row}",
      "description": "Rows.",
      "scope": {
        "name": "backstage.core.database",
        "version": "1.2.0",
        "schema_url": "https://example.org/v1",
        "attributes": {
          "db.system": "sqlite"
        }
      }
    },
    {
      "name": "backstage.plugin.catalog.cache.usage",
      "prometheus_name": "backstage_plugin_catalog_cache_usage_ratio",
      "kind": "gauge",
      "number_type": "f64",
      "unit": "1",
      "description": "",
      "scope": {
        "name": "backstage.plugin.catalog"
      }
    },
    {
      "name": "backstage.plugin.catalog.duration",
      "prometheus_name": "backstage_plugin_catalog_duration_seconds",
      "kind": "histogram",
      "number_type": "f64",
      "unit": "s",
      "description": "",
      "scope": {
        "name": "backstage.plugin.catalog"
      },
      "buckets": [
        0.000025,
        0.1,
        1.0
      ]
    },
    {
      "name": "backstage.plugin.catalog.requests",
      "prometheus_name": "backstage_plugin_catalog_requests_total",
      "kind": "counter",
      "number_type": "u64",
      "unit": "{request}",
      "description": "Requests | tries,\nby route.",
      "scope": {
        "name": "backstage.plugin.catalog"
      },
      "labels": [
        {
          "key": "http.route",
          "max_values": 50
        },
        {
          "key": "cached",
          "values": [
            "false",
            "true"
          ],
          "optional": true
        },
        {
          "key": "success",
          "values": [
            "false",
            "true"
          ]
        }
      ],
      "attributes": {
        "tier": "gold"
      }
    },
    {
      "name": "backstage.plugin.catalog.tasks.active",
      "prometheus_name": "backstage_plugin_catalog_tasks_active",
      "kind": "up-down counter",
      "number_type": "i64",
      "unit": "",
      "description": "",
      "scope": {
        "name": "backstage.plugin.catalog"
      }
    },
    {
      "name": "http.cost",
      "prometheus_name": "http_cost_joules_total",
      "kind": "counter",
      "number_type": "f64",
      "unit": "J",
      "description": "",
      "scope": {
        "name": "http-server"
      }
    }
  ]
}
"#;

const MARKDOWN: &str = r#"# Metrics

## `backstage.core.database`

version 1.2.0, schema https://example.org/v1, `db.system`: sqlite

| Metric | Prometheus | Kind | Unit | Labels | Description |
| --- | --- | --- | --- | --- | --- |
| `backstage.core.database.rows` | `backstage_core_database_rows` | observable gauge of u64 | `{row}` | | Rows. |

## `backstage.plugin.catalog`

| Metric | Prometheus | Kind | Unit | Labels | Description |
| --- | --- | --- | --- | --- | --- |
| `backstage.plugin.catalog.cache.usage` | `backstage_plugin_catalog_cache_usage_ratio` | gauge of f64 | `1` | | |
| `backstage.plugin.catalog.duration` | `backstage_plugin_catalog_duration_seconds` | histogram of f64 | `s` | | |
| `backstage.plugin.catalog.requests` | `backstage_plugin_catalog_requests_total` | counter of u64 | `{request}` | `http.route` (50 values at most)<br>`cached` (optional): `false`, `true`<br>`success`: `false`, `true`<br>`tier`: always `gold` | Requests \| tries,<br>by route. |
| `backstage.plugin.catalog.tasks.active` | `backstage_plugin_catalog_tasks_active` | up-down counter of i64 | | | |

Histogram bucket boundaries (the last bucket has no upper bound):

- `backstage.plugin.catalog.duration`: 0.000025, 0.1, 1

## `http-server`

| Metric | Prometheus | Kind | Unit | Labels | Description |
| --- | --- | --- | --- | --- | --- |
| `http.cost` | `http_cost_joules_total` | counter of f64 | `J` | | |
"#;

#[test]
fn one_of_each_kind_is_listed_with_all_its_properties() {
    let catalog = one_of_each().catalog();
    assert_eq!(catalog.to_json(), JSON);
    assert_eq!(catalog.to_markdown(), MARKDOWN);
}

#[test]
fn the_order_of_creation_and_recorded_values_do_not_show() {
    for turn in 0..ONE_OF_EACH.len() {
        let mut steps = ONE_OF_EACH;
        steps.rotate_left(turn);
        steps.reverse();
        let registry = Registry::new();
        let guards: Vec<_> = steps.iter().map(|step| step(&registry).unwrap()).collect();
        let counter = registry.semconv("http-server").counter::<f64>("http.cost").unit("J");
        counter.build().unwrap().add(-1.0); // refused, and counted in the scope `meterkit`
        registry.refresh();
        assert!(registry.read().iter().any(|scope| scope.scope.name() == "meterkit"));
        assert_eq!(registry.catalog().to_json(), JSON);
        drop(guards);
    }
}

#[test]
fn json_is_read_back_as_the_catalog_that_it_was() {
    let registry = one_of_each();
    // Numbers that a parser that rounds would change.
    let bounds: Vec<f64> = (1..200).map(|n| f64::from(n) * 0.1 + 1e-17 * f64::from(n)).collect();
    let histogram = registry.scoped("core", "odd").histogram::<f64>("sizes");
    let _ = histogram.buckets(bounds.clone()).build().unwrap();

    let catalog = registry.catalog();
    let read = Catalog::from_json(&catalog.to_json()).unwrap();
    assert_eq!(read, catalog);
    let is_odd = |entry: &&CatalogEntry| entry.name == "backstage.core.odd.sizes";
    assert_eq!(read.entries.iter().find(is_odd).unwrap().buckets, bounds);
}

#[test]
fn text_that_is_not_a_catalog_is_an_error_that_says_where() {
    for (text, place) in [("", "line 1"), ("{\n]", "line 2"), (r#"{"entries": 7}"#, "invalid type")]
    {
        let error = Catalog::from_json(text).unwrap_err().to_string();
        assert!(error.starts_with("not a catalog of metrics as JSON: "), "{error}");
        assert!(error.contains(place), "{error}");
    }
}

#[test]
fn disabled_scopes_are_listed_and_unloaded_ones_are_not() {
    let registry = one_of_each();
    registry.set_disabled_scopes("*".parse::<ScopePatterns>().unwrap());
    assert_eq!(registry.catalog().to_json(), JSON);

    let meter = registry.scoped("plugin", "catalog");
    assert!(meter.unload());
    assert_eq!(names(&registry.catalog()), ["backstage.core.database.rows", "http.cost"]);
}

#[test]
fn a_naming_that_is_set_later_shows_in_all_names() {
    let registry = one_of_each();
    registry.set_naming(Naming::new("acme", NamingPolicy::ScopeOnly).unwrap()).unwrap();
    let catalog = registry.catalog();
    assert_eq!(
        names(&catalog),
        ["rows", "cache.usage", "duration", "requests", "tasks.active", "http.cost"]
    );
    let rows = &catalog.entries[0];
    assert_eq!((&*rows.prometheus_name, &*rows.scope.name), ("rows", "acme.core.database"));
}

#[test]
fn scopes_that_differ_only_in_version_have_separate_sections() {
    let registry = Registry::new();
    for version in ["2", "1"] {
        let meter = registry.scoped("plugin", "catalog").version(version);
        let _ = meter.counter::<u64>("requests").build().unwrap();
    }
    let markdown = registry.catalog().to_markdown();
    let about: Vec<_> = markdown.lines().filter(|line| line.starts_with("version")).collect();
    assert_eq!(about, ["version 1", "version 2"]);
    assert_eq!(Registry::new().catalog().to_markdown(), "# Metrics\n");
}

/// A label that may be absent and have any value.
struct Tenant;

impl Labels for Tenant {
    type Set = Self;
    const KEYS: &'static [LabelKey] =
        &[LabelKey::of::<Option<String>>("tenant"), LabelKey::of::<String>("region")];

    fn visit(&self, _: &mut impl LabelVisitor) {}
}

#[test]
fn a_label_that_may_be_absent_says_so_also_when_its_values_are_not_known()
-> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let _ = meter.counter_group::<Tenant, u64>("requests").build()?;
    let catalog = registry.catalog();
    let labels = catalog.entries[0].labels.iter();
    let labels: Vec<_> = labels.map(|label| (&*label.key, label.optional, &label.values)).collect();
    assert_eq!(labels, [("tenant", true, &None), ("region", false, &None)]);
    Ok(())
}

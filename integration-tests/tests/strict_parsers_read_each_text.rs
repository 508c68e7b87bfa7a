//! Scrapes in each text format, as read by Prometheus' own Python parsers. Their OpenMetrics parser is the strictest
//! one available.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use integration_tests::peer;
use meterkit_core::{Attributes, LabelKey, LabelRef, LabelVisitor, Labels, Meter, Registry};
use meterkit_pipeline::Snapshot;
use meterkit_prometheus::{Escaping, Exposition, Format, Translation};
use serde_json::Value;

/// The parser script. Its arguments: the format, and the file. Prints families as JSON: name, type, unit, help, and
/// samples.
const SCRIPT: &str = r#"
import json, sys
if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics import parser
else:
    from prometheus_client import parser

with open(sys.argv[2], newline="\n", encoding="utf-8") as file:
    families = list(parser.text_fd_to_metric_families(file))
print(json.dumps([
    [family.name, family.type, family.unit, family.documentation,
     [[sample.name, sorted(sample.labels.items()), repr(float(sample.value))] for sample in family.samples]]
    for family in families
]))
"#;

/// A family, as parsed.
#[derive(Debug)]
struct Read {
    name: String,
    family_type: String,
    unit: String,
    samples: BTreeMap<Sample, String>,
}

/// Name and labels.
type Sample = (String, Vec<(String, String)>);

fn read(python: &Path, format: Format, text: &[u8]) -> Vec<Read> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("the text is written");
    let parser = match format {
        Format::OpenMetrics | Format::OldOpenMetrics => "openmetrics",
        _ => "text",
    };
    let output = Command::new(python)
        .args(["-c", SCRIPT, parser])
        .arg(file.path())
        .output()
        .expect("the parser runs");
    let (text, said) = (String::from_utf8_lossy(text), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{format:?}: {said}\n{text}");
    let families: Vec<Value> = serde_json::from_slice(&output.stdout).expect("families as JSON");
    let own = |value: &Value| value.as_str().expect("a text").to_owned();
    let sample = |value: &Value| {
        let labels = value[1].as_array().expect("labels").iter();
        let label = |pair: &Value| match (own(&pair[0]), own(&pair[1])) {
            // The same number is `1` in one format and `1.0` in another.
            (name, bound) if name == "le" && bound != "+Inf" => {
                (name, bound.parse::<f64>().expect("a number").to_string())
            }
            label => label,
        };
        let labels = labels.map(label).collect();
        ((own(&value[0]), labels), own(&value[2]))
    };
    let family = |value: &Value| {
        let samples = value[4].as_array().expect("samples");
        let read = Read {
            name: own(&value[0]),
            family_type: own(&value[1]),
            unit: own(&value[2]),
            samples: samples.iter().map(sample).collect(),
        };
        assert_eq!(read.samples.len(), samples.len(), "{format:?}: a sample comes twice: {value}");
        read
    };
    families.iter().map(family).collect()
}

struct Route(&'static str);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("http.route")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}

/// Records metrics of each kind, with names, units, texts and values that are hard to encode in a format.
fn nasty() -> Snapshot {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog").attribute("db.system", "ü\"\\\n");
    let routes = meter.counter_group::<Route, u64>("requests").unit("{request}");
    let routes = routes.description("Says \"hi\"\\\nand ends.").build().expect("a valid name");
    for (route, count) in [("/", 1), ("/\"quoted\"", 2), ("C:\\new\nline", 3), ("ü€😀", 4)] {
        routes.with(Route(route)).add(count);
    }
    let counter = |name: &'static str, unit: &'static str| {
        meter.counter::<f64>(name).unit(unit).build().expect("a valid name")
    };
    counter("sent", "By").add(0.1 + 0.2);
    counter("took.seconds.total", "s").add(1e300);
    counter("speed", "By/s").add(1e-7);
    counter("hits", "1").add(f64::from(u32::MAX));
    meter.counter::<u64>("total").build().expect("a valid name").add(7);
    meter.counter::<u64>("large").build().expect("a valid name").add(u64::MAX);
    let gauge = |name: &'static str, unit: &'static str| {
        meter.gauge::<f64>(name).unit(unit).build().expect("a valid name")
    };
    gauge("usage", "1").set(0.25);
    gauge("smallest", "Cel").set(f64::MIN);
    gauge("zero", "%").set(-0.0);
    let tasks = meter.up_down_counter::<i64>("tasks").unit("1").build().expect("a valid name");
    tasks.add(-3);
    let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([1.0, 10.0, 1e6]);
    let sizes = sizes.build().expect("valid buckets");
    [0.5, 1.0, 2.0, 1e9].into_iter().for_each(|size| sizes.record(size));
    let drift = meter.histogram::<f64>("drift").unit("s").buckets([-1.0, 0.0, 1.0]);
    let drift = drift.build().expect("valid buckets");
    [-5.0, -0.5, 0.5].into_iter().for_each(|value| drift.record(value));
    let waits = meter.histogram::<f64>("waits").unit("s").exponential().build();
    let waits = waits.expect("a valid name");
    [0.0, 0.001, 0.2, 0.2, 3.5, 1000.0].into_iter().for_each(|value| waits.record(value));

    // Names that clash in one format or another, each in two scopes.
    let (one, two) = (registry.semconv("one"), registry.semconv("two"));
    let count = |meter: &Meter, name: &'static str| {
        meter.counter::<u64>(name).build().expect("a valid name").add(5);
    };
    count(&one, "o.requests");
    two.gauge::<u64>("o.requests").build().expect("a valid name").set(2);
    let distribution = one.histogram::<u64>("hh").buckets([1.0]).build();
    distribution.expect("a valid name").record(1);
    for name in ["hh.count", "target", "target.info", "otel.scope.info", "total"] {
        count(&two, name);
    }

    let resource = [("service.name", "catalog"), ("host.name", "ü\"\\\n"), ("1x", "")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    let time = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut snapshot = Snapshot::new(Attributes::from_pairs(resource), time, registry.read());
    snapshot.names = registry.prometheus_names();
    snapshot
}

fn written(snapshot: &Arc<Snapshot>, format: Format, escaping: Escaping) -> Vec<u8> {
    let names = Translation::NoUtf8EscapingWithSuffixes.escaped_by(escaping);
    Exposition::new(snapshot.clone(), format, names).flat_map(|piece| piece.to_vec()).collect()
}

#[test]
fn each_text_has_the_same_samples() {
    let Some(python) = peer::find("prometheus-client") else {
        return;
    };
    let snapshot = Arc::new(nasty());
    for escaping in Escaping::ALL {
        let text = if escaping == Escaping::AllowUtf8 { Format::QuotedText } else { Format::Text };
        let all = |families: Vec<Read>| -> BTreeMap<Sample, String> {
            families.into_iter().flat_map(|family| family.samples).collect()
        };
        let expected = all(read(&python, text, &written(&snapshot, text, escaping)));
        assert!(expected.len() > 50, "{expected:?}");
        for format in [Format::OpenMetrics, Format::OldOpenMetrics] {
            let families = read(&python, format, &written(&snapshot, format, escaping));
            for family in &families {
                let (name, unit) = (&family.name, &family.unit);
                assert!(unit.is_empty() || name.ends_with(&format!("_{unit}")), "{name} in {unit}");
                let meets =
                    ["requests_total", "count_total", "target_total", "info_total", "total"];
                if family.family_type == "unknown" {
                    assert!(meets.iter().any(|end| name.ends_with(end)), "{name} has no type");
                }
            }
            let mut found = all(families);
            let all_found = found.len();
            found.retain(|sample, _| {
                expected.contains_key(sample) || !sample.0.ends_with("_created")
            });
            assert!(found.len() + 10 < all_found, "start times are there");
            let mut expected = expected.clone();
            // The parser of Prometheus' text format appends the suffix to counters that lack it.
            let lacks_suffix =
                |(name, labels): Sample| (name.replace("total_total", "total"), labels);
            expected = expected.into_iter().map(|(it, value)| (lacks_suffix(it), value)).collect();
            // OpenMetrics omits the sums of histograms with negative bounds, because they may fall.
            expected.retain(|(name, _), _| {
                !(name.contains("drift") && (name.ends_with("_sum") || name.ends_with("_count")))
            });
            let only = |these: &BTreeMap<Sample, String>, those: &BTreeMap<Sample, String>| {
                let these = these.iter().filter(|(sample, value)| those.get(sample) != Some(value));
                these.map(|(sample, value)| format!("{sample:?} {value}")).collect::<Vec<_>>()
            };
            let (more, less) = (only(&found, &expected), only(&expected, &found));
            assert!(
                more.is_empty() && less.is_empty(),
                "{format:?} {escaping:?} has {more:#?} instead of {less:#?}"
            );
        }
    }
}

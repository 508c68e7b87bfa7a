//! Twice the input takes twice the work, not four times as much. Valgrind counts instructions, which do not depend on
//! how busy the machine is. Without valgrind, nothing is tested.

use std::env;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_cli::{Comparison, Inventory};
use meterkit_core::{Attributes, Meter, Registry};
use meterkit_datadog::{Compression, DatadogConfig, DatadogTarget, Format};
use meterkit_fakes::label_sets::Tenant;
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_http::Headers;
use meterkit_pipeline::{Pipeline, Schedule, Snapshot, Target};
use meterkit_settings::Environment;
use meterkit_settings::file::ConfigFile;

/// The name, the size at which the work outweighs the startup of the process, and the work itself.
type Case = (&'static str, usize, fn(usize));

const CASES: &[Case] = &[
    ("references in a configuration file that never end", 10000, |n| {
        drop(ConfigFile::parse(&"${A:-".repeat(n), |_| None));
    }),
    ("nested references in a configuration file", 2500, |n| {
        drop(ConfigFile::parse(&format!("{}{}", "${A:-".repeat(n), "}".repeat(n)), |_| None));
    }),
    ("lists in a configuration file", 250, |n| drop(ConfigFile::parse(&views(n), |_| None))),
    ("scopes that are made", 150, |n| drop(registry_of(n, 1))),
    ("scopes that are unloaded", 150, |n| {
        let registry = registry_of(n, 1);
        (0..n).for_each(|at| assert!(scope(&registry, at).unload()));
    }),
    ("instruments of one scope", 150, |n| drop(registry_of(1, n).read())),
    ("collections of many scopes", 150, |n| {
        let registry = registry_of(n, 2);
        let pipeline = Pipeline::builder(registry).expect("it is new");
        let pipeline = pipeline.snapshot_max_age(Duration::ZERO).start().expect("it starts");
        (0..3).for_each(|_| drop(pipeline.source().snapshot_blocking()));
    }),
    ("catalogs of many scopes", 100, |n| drop(registry_of(n, 2).catalog().to_json())),
    ("callbacks that go one by one", 150, |n| {
        let registry = Registry::new();
        let guards: Vec<_> = (0..n).map(|at| observe(&scope(&registry, at))).collect();
        registry.refresh();
        drop(guards);
    }),
    ("callbacks of scopes that are unloaded", 100, |n| {
        let registry = Registry::new();
        (0..n).for_each(|at| observe(&scope(&registry, at)).forget());
        (0..n).for_each(|at| assert!(scope(&registry, at).unload()));
    }),
    ("scrapes of many scopes", 150, |n| {
        drop(meterkit_prometheus::render(&snapshot(&registry_of(n, 2), 1)));
    }),
    ("scrapes of a metric that many scopes have", 150, |n| {
        drop(meterkit_prometheus::render(&snapshot(&alike(n), 1)));
    }),
    ("requests of remote write", 150, |n| {
        drop(meterkit_grafana::written(&Arc::new(snapshot(&registry_of(n, 2), 1))));
    }),
    ("payloads for Datadog", 150, |n| {
        let snapshot = snapshot(&registry_of(n, 2), 1);
        drop(meterkit_datadog::written(&snapshot, &[], Format::Json, Compression::None));
    }),
    ("comparisons of metrics that got a prefix", 300, |n| {
        let [old, new] = ["", "service_"]
            .map(|prefix| exposition((0..n).map(|at| format!("{prefix}app_http_{at}_seconds"))));
        compare(&old, &new, 1);
    }),
    ("comparisons of metrics that have nothing in common", 300, |n| {
        let [old, new] =
            ["x", "y"].map(|end| exposition((0..n).map(|at| format!("app_http_{at}{end}"))));
        compare(&old, &new, 2);
    }),
    ("a queue that fills and is dropped", 50, |n| {
        let destination = RemoteWrite::new("http://127.0.0.1:1/push").expect("a URL");
        let config = RemoteWriteConfig::new(destination).with_request_limits(1, usize::MAX);
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        let registry = registry_of(n, 1);
        for second in [1, 100_000, 100_001] {
            export(&mut target, &registry, second);
        }
    }),
    ("secrets in what a receiver says", 500, |n| {
        let headers = Headers::parse("authorization=Bearer%20huntersecret2").expect("a pair");
        drop(headers.redact(&"huntersecre%74%".repeat(n)));
    }),
    ("headers in a variable", 500, |n| {
        let pairs: Vec<String> = (0..n).map(|at| format!("x-{at}=v%20{at}")).collect();
        Headers::parse(&pairs.join(",")).expect("good pairs");
    }),
    ("problems in a configuration file", 200, |n| {
        let readers = "    - what: [1, 2]\n".repeat(n);
        let text = format!("file_format: \"1.0\"\nmeter_provider:\n  readers:\n{readers}");
        ConfigFile::parse(&text, |_| None).expect_err("no reader is called `what`");
    }),
    ("fields without effect in a configuration file", 300, |n| {
        let fields: String = (0..n).map(|at| format!("field_{at}: 1\n")).collect();
        let file = ConfigFile::parse(&format!("file_format: \"1.0\"\n{fields}"), |_| None);
        assert_eq!(file.expect("they are ignored").unused.len(), n);
    }),
    ("attributes in a configuration file", 300, |n| {
        let listed: String = (0..n).map(|at| format!("key{at}=value,")).collect();
        let item = |at| format!("    - {{name: of{at}, value: text}}\n");
        let items: String = (0..n).map(item).collect();
        let text = format!(
            "file_format: \"1.0\"\nresource:\n  attributes_list: \"{listed}\"\n  attributes:\n{items}"
        );
        let file = ConfigFile::parse(&text, |_| None).expect("it is good");
        assert_eq!(file.resource.attributes.len(), 2 * n);
    }),
    ("tags in a variable", 500, |n| {
        let tags: Vec<String> = (0..n).map(|at| format!("key{at}:value{at}")).collect();
        let variables = [("DD_API_KEY", "k".to_owned()), ("DD_TAGS", tags.join(","))];
        Environment::of(variables).read(DatadogConfig::read).expect("good variables");
    }),
    ("series that come and go", 300, |n| {
        let registry = Registry::new();
        let pipeline = Pipeline::builder(registry.clone()).expect("it is new");
        let pipeline = pipeline.snapshot_max_age(Duration::ZERO).start().expect("it starts");
        let group = scope(&registry, 0).counter_group::<Tenant, u64>("requests");
        let group = group.cardinality_limit(n).build().expect("a new name");
        for round in 0..4 {
            let tenants = (0..n).map(|at| format!("{round} {at}"));
            tenants.clone().for_each(|tenant| group.with(Tenant(&tenant)).add(1));
            drop(pipeline.source().snapshot_blocking());
            tenants.for_each(|tenant| assert!(group.remove(Tenant(&tenant))));
            drop(pipeline.source().snapshot_blocking());
        }
    }),
    ("deltas for an agent", 300, |n| {
        let registry = registry_of(n, 1);
        // The agent reads nothing, and the sender does not notice.
        let agent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = format!("udp://{}", agent.local_addr().expect("an address"));
        let address = address.parse().expect("an address");
        let target = DatadogTarget::new(DatadogConfig::agent(address)).expect("a target");
        let builder = Pipeline::builder(registry).expect("it is new");
        let pipeline = builder.target(Box::new(target) as Box<dyn Target>, Schedule::default());
        let pipeline = pipeline.start().expect("it starts");
        for _ in 0..2 {
            pipeline.flush_blocking(Duration::from_secs(60)).expect("it is sent");
        }
    }),
    ("files of an earlier process", 100, |n| {
        let directory = tempfile::tempdir().expect("a directory");
        let destination = RemoteWrite::new("http://127.0.0.1:1/push").expect("a URL");
        let config = RemoteWriteConfig::new(destination).with_request_limits(1, usize::MAX);
        let config = config.with_spool(directory.path());
        let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
        export(&mut target, &registry_of(n, 1), 1);
        drop(target);
        let target = RemoteWriteTarget::new(config).expect("a target");
        assert_eq!(target.counts().waiting_requests(), n as u64);
    }),
    ("attributes of a resource", 500, |n| {
        let pairs = (0..n).rev().map(|at| (format!("key.{at}").into(), (at as i64).into()));
        drop(Attributes::from_pairs(pairs));
    }),
];

fn scope(registry: &Registry, at: usize) -> Meter {
    registry.scoped("plugin", &format!("of_{at}"))
}

fn registry_of(scopes: usize, instruments: usize) -> Registry {
    let registry = Registry::new();
    for at in 0..scopes {
        for instrument in 0..instruments {
            let name = format!("requests.of_{instrument}");
            scope(&registry, at).counter::<u64>(name).build().expect("a new name").add(1);
        }
    }
    registry
}

/// Creates a registry with one name in many scopes, which are one family in Prometheus.
fn alike(scopes: usize) -> Registry {
    let registry = Registry::new();
    for at in 0..scopes {
        let scope = registry.semconv(&format!("scope_{at}"));
        scope.counter::<u64>("requests").build().expect("a new name").add(1);
    }
    registry
}

fn observe(meter: &Meter) -> meterkit_core::CallbackGuard {
    meter.observable_gauge::<u64>("depth").build().expect("a new name").observe(|| 1)
}

fn snapshot(registry: &Registry, second: u64) -> Snapshot {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    Snapshot::new(Attributes::empty(), time, registry.read())
}

/// Exports to a receiver that does not exist.
fn export(target: &mut RemoteWriteTarget, registry: &Registry, second: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let snapshot = snapshot(registry, second);
    let export = target.export(&snapshot);
    runtime.expect("a runtime").block_on(export).expect_err("nobody is there");
}

/// Returns an exposition with gauges of these names.
fn exposition(names: impl Iterator<Item = String>) -> String {
    names.map(|name| format!("# TYPE {name} gauge\n{name} 1\n")).collect()
}

fn compare(old: &str, new: &str, causes: usize) {
    let [old, new] = [old, new].map(|text| Inventory::read(text).expect("an exposition"));
    let comparison = Comparison::new(&old, &new).expect("two expositions");
    assert_eq!(comparison.groups().len(), causes);
}

fn views(views: usize) -> String {
    let view =
        |at| format!("    - {{selector: {{instrument_name: a{at}}}, stream: {{name: b{at}}}}}\n");
    let views: String = (0..views).map(view).collect();
    format!("file_format: \"1.0\"\nmeter_provider:\n  views:\n{views}")
}

const CASE: &str = "TEST_OF_GROWTH";

/// Does the work of one case in a separate process, which valgrind watches.
#[test]
#[ignore = "the other test starts it"]
fn one_case() {
    let Some(chosen) = env::var(CASE).ok() else { return };
    let (name, size) = chosen.split_once('=').expect("a name and a size");
    let (_, _, work) = CASES.iter().find(|(known, ..)| *known == name).expect("a case");
    work(size.parse().expect("a number"));
}

/// Returns the number of instructions of a case.
fn instructions(name: &str, size: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("it runs from a file"))
        .args(["--exact", "growth::one_case", "--ignored", "--test-threads=1"])
        .env(CASE, format!("{name}={size}"))
        .output()
        .expect("valgrind starts");
    let text = String::from_utf8_lossy(&output.stderr).replace(',', "");
    assert!(output.status.success(), "{name}: {text}");
    let count = text.lines().find_map(|line| line.split_once("refs:")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind does not say how many: {text}"))
}

#[test]
#[ignore = "it takes minutes: `.ci/long` runs it"]
fn twice_the_input_is_twice_the_work() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: valgrind is not installed");
        return;
    }
    let mut steep = Vec::new();
    for (name, size, _) in CASES {
        // Compare differences, because the startup of the process would hide the growth.
        let [one, two, four] = [1, 2, 4].map(|times| instructions(name, size * times) as f64);
        let growth = (four - two) / (two - one).max(1.0);
        println!("{growth:.2} {name}: {one} {two} {four}");
        if growth > STEEPEST {
            steep.push(format!("{name}: {growth:.2}"));
        }
    }
    assert_eq!(steep, Vec::<String>::new(), "more work than expected for twice the input");
}

/// The largest accepted growth. Sorting takes slightly more than twice the work; comparing every pair takes four times
/// as much.
const STEEPEST: f64 = 2.5;

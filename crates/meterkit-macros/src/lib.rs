//! The derive macros of `meterkit`, which re-exports them next to the traits that they implement.
//!
//! - [`LabelValue`](derive@LabelValue): an enum whose variants are the values of a label.
//! - [`Labels`](derive@Labels): a struct with one field per label, which groups of instruments are indexed by.
//! - [`Metrics`](derive@Metrics): a struct of instruments, which are made together.
//!
//! What is declared is checked by the rules that instruments are checked by when they are made, with the same texts.
//! What can still be refused at run time is what other parts of the program have a say in: a clash with an instrument
//! that exists, also with one of a flattened struct, and a name that gets too long with its namespace.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod label_value;
mod labels;
mod metrics;
#[cfg(test)]
mod mistakes;
mod problems;
mod setting;
mod spelling;

use proc_macro::TokenStream;
use syn::DeriveInput;

/// Makes an enum of unit variants the value of a label.
///
/// A variant's label is its name in snake_case: `NotFound` becomes `not_found`. Where another text is wanted, say so:
///
/// ```
/// use meterkit::{LabelRef, LabelValue};
///
/// #[derive(LabelValue)]
/// enum Outcome {
///     Done,
///     NotFound,
///     #[label(name = "HTTP 5xx")]
///     ServerError,
/// }
///
/// assert_eq!(Outcome::Done.label(), LabelRef::Static("done"));
/// assert_eq!(Outcome::NotFound.label(), LabelRef::Static("not_found"));
/// assert_eq!(Outcome::ServerError.label(), LabelRef::Static("HTTP 5xx"));
/// ```
///
/// Variants with fields have no fixed set of labels, and two variants with one label could not be told apart: neither
/// compiles.
///
/// All values are known at compile time, so a set of such labels is found by its place, without hashing, and a group of
/// them can show all its series from the start.
///
/// # Settings
///
/// | Setting | On | Default | What it does |
/// |---|---|---|---|
/// | `name = "..."` | a variant | the name in snake_case | the label's text |
/// | `rename_all = "..."` | the enum | snake_case by words | how names of variants become labels: see below |
/// | `crate = "path"` | the enum | `::meterkit` | where the generated code finds `meterkit` |
///
/// `rename_all` takes serde's words and does what serde does with them: `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`,
/// `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case` and `SCREAMING-KEBAB-CASE`. `PascalCase` keeps names of variants as they
/// are. `snake_case` has a `_` before each capital, where the default knows words: `GetURL` is `get_u_r_l`, and by default
/// `get_url`.
///
/// ```
/// use meterkit::{LabelRef, LabelValue};
///
/// #[derive(LabelValue)]
/// #[label(rename_all = "UPPERCASE")]
/// enum Method {
///     Get,
///     #[label(name = "other")]
///     Unknown,
/// }
///
/// assert_eq!(Method::Get.label(), LabelRef::Static("GET"));
/// assert_eq!(Method::Unknown.label(), LabelRef::Static("other"));
/// ```
///
/// # Where `meterkit` has another path
///
/// The generated code names `::meterkit`. In a crate that reaches it only through a re-export, or renames it, give the
/// path that holds `LabelValue` and `LabelRef`:
///
/// ```
/// mod telemetry {
///     pub use meterkit;
/// }
///
/// #[derive(telemetry::meterkit::LabelValue)]
/// #[label(crate = "crate::telemetry::meterkit")]
/// enum Kind {
///     Create,
///     Delete,
/// }
/// # fn main() {
/// #     use telemetry::meterkit::LabelValue;
/// #     let _ = (Kind::Create.label(), Kind::Delete.label());
/// # }
/// ```
#[proc_macro_derive(LabelValue, attributes(label))]
pub fn label_value(input: TokenStream) -> TokenStream {
    derive(input, label_value::expand, label_value::stub)
}

/// Makes a struct a set of labels: each field is one.
///
/// A label's key is the field's name in snake_case, without leading underscores and `r#`. A field's type is `bool`, an
/// integer, a string (owned or borrowed), an enum that derives [`LabelValue`](derive@LabelValue), or an `Option` of
/// those: `None` leaves the key out of the series.
///
/// ```
/// use meterkit::{LabelValue, Labels, Registry};
///
/// #[derive(LabelValue)]
/// enum Outcome {
///     Done,
///     Failed,
/// }
///
/// #[derive(Labels)]
/// struct Request<'a> {
///     #[label(name = "http.route", max_values = 50)]
///     route: &'a str,
///     outcome: Outcome,
///     cached: Option<bool>,
/// }
///
/// let meter = Registry::new().scoped("plugin", "catalog");
/// let requests = meter.counter_group::<Request, u64>("requests").build()?;
/// let route = String::from("/entities/{id}"); // borrowed: recording allocates nothing
/// requests.with(Request { route: &route, outcome: Outcome::Done, cached: None }).increment();
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # Settings
///
/// | Setting | On | Default | What it does |
/// |---|---|---|---|
/// | `name = "..."` | a field | the name in snake_case | the label's key |
/// | `flatten` | a field | no | the field is another set of labels, whose keys become keys of this one |
/// | `rename_all = "..."` | the struct | snake_case by words | how names of fields become keys, in [serde's words](derive@LabelValue#settings) |
/// | `max_values = 50` | a field | no limit | lets the first so many values through, all further ones become `other` |
/// | `crate = "path"` | the struct | `::meterkit` | where the generated code finds `meterkit` |
///
/// Sets that share labels declare these once:
///
/// ```
/// use meterkit::{Labels, Registry};
///
/// #[derive(Labels)]
/// struct Peer<'a> {
///     network: &'a str,
///     inbound: bool,
/// }
///
/// #[derive(Labels)]
/// #[label(rename_all = "camelCase")]
/// struct Message<'a> {
///     #[label(flatten)]
///     peer: Peer<'a>,
///     message_type: &'a str,
/// }
///
/// # let meter = Registry::new().scoped("plugin", "catalog");
/// let messages = meter.counter_group::<Message, u64>("messages").build()?;
/// let peer = Peer { network: "mainnet", inbound: true };
/// messages.with(Message { peer, message_type: "ping" }).increment(); // network, inbound, messageType
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # What does not compile
///
/// Keys that are reserved (`le`, `quantile`, those that begin with `__` or `otel_scope_`), ill-formed or given twice;
/// floats, which make a series per value; `max_values` that is 0 or stands on a `bool`; more than 64 labels. A key that a
/// flattened set has too is an error of the instrument.
///
/// # Lifetimes and type parameters
///
/// `Labels::Set` is the same type with `'static` in place of its lifetimes, so that one group takes labels of any
/// lifetime. A type parameter that a field is made of has to be a `LabelValue`; next to a lifetime it has to be
/// `'static`, too.
#[proc_macro_derive(Labels, attributes(label))]
pub fn labels(input: TokenStream) -> TokenStream {
    derive(input, labels::expand, labels::stub)
}

/// Makes a struct of instruments a place where metrics are declared, and made together.
///
/// Each field is an instrument or a group of them, `#[metric(..)]` says more about it, its doc comment becomes the
/// description. `#[metrics(..)]` on the struct names the scope.
///
/// ```
/// use meterkit::{CounterGroup, Histogram, LabelValue, Labels, Metrics, Registry};
///
/// #[derive(LabelValue)]
/// enum Outcome {
///     Done,
///     Failed,
/// }
///
/// #[derive(Labels)]
/// struct Task {
///     template: &'static str,
///     outcome: Outcome,
/// }
///
/// #[derive(Metrics)]
/// #[metrics(scope = "plugin", name = "scaffolder")]
/// struct ScaffolderMetrics {
///     /// Tasks that ended, by template and outcome.
///     #[metric(unit = "{task}")]
///     tasks: CounterGroup<Task>,
///     /// Time from start to end of a task.
///     #[metric(name = "tasks.duration", unit = "s", buckets = [0.1, 1.0, 10.0, 60.0])]
///     duration: Histogram,
/// }
///
/// let registry = Registry::new();
/// let metrics = ScaffolderMetrics::register_in(&registry)?; // a program: ScaffolderMetrics::register()
/// metrics.tasks.with(Task { template: "service", outcome: Outcome::Done }).increment();
/// metrics.duration.record(2.5);
/// assert_eq!(registry.read()[0].metrics[0].descriptor.name, "backstage.plugin.scaffolder.tasks");
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # What is generated
///
/// An implementation of `Metrics`, which makes the instruments with a `Meter`. When the struct names a scope, three
/// functions that need no meter, as visible as the struct:
///
/// - `register() -> Self` makes the instruments in the global registry. It never fails: an instrument that cannot be
///   made is logged, and records nowhere.
/// - `register_in(&Registry) -> Result<Self, InstrumentError>` makes them in the registry given, as tests want it.
/// - `meter_in(&Registry) -> Meter` is the meter that they are made with: for callbacks in the same scope, and for
///   `unload()`.
///
/// A plugin that can be unloaded keeps its metrics in a value of its own, not in a static: a static would go on to hold
/// the instruments of the scope that is gone.
///
/// # Settings of the struct
///
/// | Setting | Default | What it does |
/// |---|---|---|
/// | `scope = "plugin", name = "catalog"` | no meter of its own | the scope: `backstage.plugin.catalog`; `scope = "core"` alone is `backstage.core` |
/// | `semconv = "http_server"` | no meter of its own | a scope whose names a convention fixes: nothing is put before them |
/// | `plain` | no meter of its own | names are used as they are written: `Meter::plain` |
/// | `prefix = "cache"` | none | what stands before all names: `cache.hits`. With `plain` it is used as it is written, so end it with `_` |
/// | `version = "1.2"` | none | the version of what is measured |
/// | `schema_url = "https://..."` | none | where the schema of the metrics is written down |
/// | `attributes(key = "value", "other.key" = "value")` | none | attributes of the scope |
/// | `crate = "path"` | `::meterkit` | where the generated code finds `meterkit` |
///
/// Without a scope, the struct is flattened into others, or made with the functions of `Metrics`. These put the prefix before
/// the names, too; `meter_in` returns the meter without it.
///
/// # Settings of a field
///
/// | Setting | Default | What it does |
/// |---|---|---|
/// | `name = "queue.length"` | the field's name in snake_case | the metric's name below its scope |
/// | `unit = "s"` | none | the unit, by UCUM: `s`, `By`, `1`, or what is counted: `{task}`; `seconds`, `bytes` and `count` are accepted as words |
/// | `buckets = [0.1, 1.0]` | by the unit | the boundaries of a histogram's buckets, rising; or the path of a constant or static, or a call that returns them: `buckets = SIZES`, `buckets = Buckets::linear(0.0, 5.0, 10)` |
/// | `duration` | no | durations: the unit of a histogram is `s`, or `ms` for integers, with buckets that fit |
/// | `exponential` | no | buckets of a histogram that follow its values, instead of boundaries |
/// | `attributes(tier = "gold", "db.system" = "sqlite")` | none | attributes of every series: texts, whole numbers, truth values |
/// | `cardinality_limit = 100` | 2000, `METERKIT_CARDINALITY_LIMIT` | how many series a group may have |
/// | `idle_timeout = "10m"` | never | how long a series of a group stays that nobody records to: `ms`, `s`, `m`, `h` |
/// | `zero_initialized` | no | a gauge, a histogram, or all series of a group with closed labels are exported from the start |
/// | `flatten` | no | the field is a struct that derives `Metrics`, made with this meter, whatever scope it names itself |
/// | `prefix = "cache"` | none | with `flatten`: what is put before its names |
///
/// A setting that the field's instrument does not have, such as `buckets` on a counter, does not compile.
///
/// Fields may be observable. Their callbacks are registered with the struct that was made, and say there how they run:
///
/// ```
/// use std::time::Duration;
///
/// use meterkit::{Metrics, ObservableCounter, ObservableGauge, Registry};
///
/// #[derive(Clone, Metrics)]
/// #[metrics(scope = "core", name = "pool")]
/// struct PoolMetrics {
///     /// Connections that are open.
///     open: ObservableGauge<u64>,
///     /// Connections that were made.
///     made: ObservableCounter,
///     /// Rows in the database.
///     rows: ObservableGauge<u64>,
/// }
///
/// # fn pool() -> (u64, u64) { (3, 40) }
/// # fn count_rows() -> u64 { 9 }
/// let registry = Registry::new();
/// let metrics = PoolMetrics::register_in(&registry)?;
/// let rows = metrics.rows.callback().cached(Duration::from_secs(30)).observe(count_rows);
/// let pool = PoolMetrics::meter_in(&registry).register_callback([&metrics.open, &metrics.made], {
///     let metrics = metrics.clone();
///     move |observer| {
///         let (open, made) = pool();
///         observer.observe(&metrics.open, open);
///         observer.observe(&metrics.made, made);
///     }
/// })?;
/// # drop((rows, pool));
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// ```
/// use meterkit::{Counter, Gauge, Metrics, Registry};
///
/// #[derive(Metrics)]
/// struct CacheMetrics {
///     /// Look-ups that found something.
///     hits: Counter,
///     /// Look-ups that did not.
///     misses: Counter,
/// }
///
/// #[derive(Metrics)]
/// #[metrics(scope = "plugin", name = "catalog", version = "1.2")]
/// struct CatalogMetrics {
///     #[metric(name = "queue.length", attributes(tier = "gold"))]
///     queue: Gauge,
///     #[metric(flatten, prefix = "entities.cache")]
///     entities: CacheMetrics,
/// }
///
/// let registry = Registry::new();
/// let metrics = CatalogMetrics::register_in(&registry)?;
/// metrics.entities.hits.increment(); // backstage.plugin.catalog.entities.cache.hits
/// metrics.queue.set(3);
/// # metrics.entities.misses.increment();
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// Metrics that dashboards know already keep their names with `plain`, and their buckets with the rule that computed them.
/// `register_on_with` of `Metrics` binds labels to the whole struct:
///
/// ```
/// use meterkit::instrument::Buckets;
/// use meterkit::{Counter, Gauge, Histogram, Labels, Metrics, Registry};
///
/// const BATCHES: Buckets = Buckets::exponential(1.0, 2.0, 12);
///
/// #[derive(Metrics)]
/// #[metrics(plain, prefix = "reth_sync_")]
/// struct StageMetrics {
///     /// Blocks that were processed.
///     blocks: Counter,
///     #[metric(buckets = BATCHES)]
///     batch: Histogram,
///     #[metric(zero_initialized)]
///     height: Gauge<u64>,
/// }
///
/// #[derive(Labels)]
/// struct Stage {
///     stage: &'static str,
/// }
///
/// let registry = Registry::new();
/// let headers = StageMetrics::register_on_with(&registry.plain(), Stage { stage: "headers" });
/// headers.blocks.increment(); // reth_sync_blocks{stage="headers"} 1
/// # let _ = (headers.batch, headers.height);
/// ```
///
/// # What does not compile
///
/// What the registry would refuse: names, prefixes, scopes and attribute keys that are ill-formed, units that are none,
/// boundaries that do not rise, names that are given twice or get too long, and limits of 0.
#[proc_macro_derive(Metrics, attributes(metric, metrics))]
pub fn metrics(input: TokenStream) -> TokenStream {
    derive(input, metrics::expand, metrics::stub)
}

/// Returns the implementation, or all that is wrong with `input` and a stub, so that the code that uses the type has no
/// errors of its own.
fn derive(
    input: TokenStream,
    expand: fn(&DeriveInput) -> syn::Result<proc_macro2::TokenStream>,
    stub: fn(&DeriveInput) -> Option<proc_macro2::TokenStream>,
) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let expanded = expand(&input).unwrap_or_else(|error| {
        let mut tokens = error.into_compile_error();
        tokens.extend(stub(&input));
        tokens
    });
    expanded.into()
}

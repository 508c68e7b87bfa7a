//! The derive macros of `meterkit`, which re-exports them next to the traits that they implement.
//!
//! - [`LabelValue`](derive@LabelValue): an enum whose variants are the values of a label.
//! - [`Labels`](derive@Labels): a struct with one field per label, which indexes a group of instruments.
//! - [`Metrics`](derive@Metrics): a struct of instruments, which are created together.
//!
//! Declarations are checked at compile time by the same rules, and with the same messages, as instruments created at
//! run time. Only errors that depend on the rest of the program remain for run time: a clash with an existing
//! instrument, including one of a flattened struct, and a name that becomes too long once its namespace is added.

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

/// Implements `LabelValue` for an enum of unit variants, so that its variants are the values of a label.
///
/// A variant's label is its name in snake_case: `NotFound` becomes `not_found`. `name` sets another text:
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
/// An enum does not compile if a variant has fields, because it then has no fixed set of labels, or if two variants
/// have the same label, because they could not be told apart.
///
/// All values are known at compile time. A set of such labels is therefore looked up by index, without hashing, and a
/// group indexed by it can export all its series from the start.
///
/// # Settings
///
/// | Setting | On | Default | What it does |
/// |---|---|---|---|
/// | `name = "..."` | a variant | the name in snake_case | the label's text |
/// | `rename_all = "..."` | the enum | snake_case by words | how variant names become labels: see below |
/// | `crate = "path"` | the enum | `::meterkit` | where the generated code finds `meterkit` |
///
/// `rename_all` accepts the same words as serde and converts names by the same rules: `lowercase`, `UPPERCASE`,
/// `PascalCase`, `camelCase`, `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case` and `SCREAMING-KEBAB-CASE`.
/// `PascalCase` keeps variant names unchanged. `snake_case` inserts a `_` before every capital, whereas the default
/// recognizes words: `GetURL` becomes `get_u_r_l` with `snake_case`, and `get_url` by default.
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
/// The generated code refers to `::meterkit`. In a crate that renames `meterkit` or reaches it only through a
/// re-export, set `crate` to the path that contains `LabelValue` and `LabelRef`:
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

/// Implements `Labels` for a struct, so that each of its fields is a label.
///
/// A label's key is the field's name in snake_case, without leading underscores and `r#`. A field's type is `bool`, an
/// integer, a string (owned or borrowed), an enum that derives [`LabelValue`](derive@LabelValue), or an `Option` of one
/// of these: `None` leaves the key out of the series.
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
/// | `flatten` | a field | no | the field is another set of labels; its keys become keys of this set |
/// | `rename_all = "..."` | the struct | snake_case by words | how field names become keys, in [serde's words](derive@LabelValue#settings) |
/// | `max_values = 50` | a field | no limit | the number of distinct values to keep; every further value becomes `other` |
/// | `crate = "path"` | the struct | `::meterkit` | where the generated code finds `meterkit` |
///
/// Declare labels that several sets share once, and flatten them:
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
/// - Keys that are reserved (`le`, `quantile`, and keys that begin with `__` or `otel_scope_`), malformed, or given
///   twice.
/// - Floats, because every value would create a series.
/// - `max_values` that is 0 or set on a `bool`.
/// - More than 64 labels.
///
/// A key that also occurs in a flattened set is reported as an error when the instrument is created.
///
/// # Lifetimes and type parameters
///
/// `Labels::Set` is the same type with `'static` in place of its lifetimes, so that one group accepts labels of any
/// lifetime. A type parameter that occurs in a field's type must implement `LabelValue`; if the struct also has a
/// lifetime, the type parameter must be `'static`, too.
#[proc_macro_derive(Labels, attributes(label))]
pub fn labels(input: TokenStream) -> TokenStream {
    derive(input, labels::expand, labels::stub)
}

/// Implements `Metrics` for a struct of instruments, which declares metrics and creates them together.
///
/// Each field is an instrument or a group of instruments. `#[metric(..)]` configures the field, and its doc comment
/// becomes the description. `#[metrics(..)]` on the struct names the scope.
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
/// let metrics = ScaffolderMetrics::register_in(&registry)?; // in a program: ScaffolderMetrics::register()
/// metrics.tasks.with(Task { template: "service", outcome: Outcome::Done }).increment();
/// metrics.duration.record(2.5);
/// assert_eq!(registry.read()[0].metrics[0].descriptor.name, "backstage.plugin.scaffolder.tasks");
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// # What is generated
///
/// An implementation of `Metrics`, which creates the instruments with a `Meter`. If the struct names a scope, three
/// functions that need no meter are generated as well, with the visibility of the struct:
///
/// - `register() -> Self` creates the instruments in the global registry. It never fails: an instrument that cannot be
///   created is logged, and its recordings are discarded.
/// - `register_in(&Registry) -> Result<Self, InstrumentError>` creates them in the given registry, which suits tests.
/// - `meter_in(&Registry) -> Meter` returns the meter that creates them: use it for callbacks in the same scope, and
///   for `unload()`.
///
/// Keep the metrics of a plugin that can be unloaded in a value that the plugin owns, not in a static: a static would
/// keep the instruments of the unloaded scope alive.
///
/// # Settings of the struct
///
/// | Setting | Default | What it does |
/// |---|---|---|
/// | `scope = "plugin", name = "catalog"` | no meter of its own | the scope: `backstage.plugin.catalog`; `scope = "core"` alone is `backstage.core` |
/// | `semconv = "http_server"` | no meter of its own | a scope whose names a semantic convention fixes: they get no prefix |
/// | `plain` | no meter of its own | names are used exactly as written: `Meter::plain` |
/// | `prefix = "cache"` | none | a prefix for all names: `cache.hits`. With `plain` it is used exactly as written, so end it with `_` |
/// | `version = "1.2"` | none | the version of the measured component |
/// | `schema_url = "https://..."` | none | the URL of the schema that the metrics follow |
/// | `attributes(key = "value", "other.key" = "value")` | none | attributes of the scope |
/// | `crate = "path"` | `::meterkit` | where the generated code finds `meterkit` |
///
/// A struct without a scope is flattened into others, or created with the functions of `Metrics`. These functions apply
/// the prefix, too; `meter_in` returns the meter without it.
///
/// # Settings of a field
///
/// | Setting | Default | What it does |
/// |---|---|---|
/// | `name = "queue.length"` | the field's name in snake_case | the metric's name below its scope |
/// | `unit = "s"` | none | the unit in UCUM: `s`, `By`, `1`, or a counted thing in braces: `{task}`; the words `seconds`, `bytes` and `count` are accepted, too |
/// | `buckets = [0.1, 1.0]` | depends on the unit | the bucket boundaries of a histogram, in ascending order; or the path of a constant or static, or a call that returns them: `buckets = SIZES`, `buckets = Buckets::linear(0.0, 5.0, 10)` |
/// | `duration` | no | the histogram records durations: its unit is `s`, or `ms` for integers, with buckets to match |
/// | `exponential` | no | exponential buckets, which adapt to the recorded values, instead of fixed boundaries |
/// | `attributes(tier = "gold", "db.system" = "sqlite")` | none | attributes of every series: strings, integers or `bool`s |
/// | `cardinality_limit = 100` | 2000, `METERKIT_CARDINALITY_LIMIT` | the maximum number of series in a group |
/// | `idle_timeout = "10m"` | never | the time after which a group drops a series without new recordings, in `ms`, `s`, `m` or `h` |
/// | `zero_initialized` | no | exports a gauge, a histogram, or all series of a group with closed labels from the start |
/// | `flatten` | no | the field is a struct that derives `Metrics`, created with this meter; a scope of its own is ignored |
/// | `prefix = "cache"` | none | with `flatten`: a prefix for the names of the nested struct |
///
/// A setting that the field's instrument does not support, such as `buckets` on a counter, does not compile.
///
/// Fields may be observable. Register their callbacks on the created struct, and choose there how the callbacks run:
///
/// ```
/// use std::time::Duration;
///
/// use meterkit::{Metrics, ObservableCounter, ObservableGauge, Registry};
///
/// #[derive(Clone, Metrics)]
/// #[metrics(scope = "core", name = "pool")]
/// struct PoolMetrics {
///     /// Open connections.
///     open: ObservableGauge<u64>,
///     /// Connections opened so far.
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
/// Structs without a scope can be nested:
///
/// ```
/// use meterkit::{Counter, Gauge, Metrics, Registry};
///
/// #[derive(Metrics)]
/// struct CacheMetrics {
///     /// Look-ups that found something.
///     hits: Counter,
///     /// Look-ups that found nothing.
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
/// `plain` keeps metric names that existing dashboards use, and `buckets` accepts the rule that computed their
/// boundaries. `register_on_with` of `Metrics` binds labels to the whole struct:
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
/// Everything that the registry would reject: malformed names, prefixes, scopes and attribute keys; unknown units;
/// bucket boundaries that are not in ascending order; names that are given twice or too long; limits of 0.
#[proc_macro_derive(Metrics, attributes(metric, metrics))]
pub fn metrics(input: TokenStream) -> TokenStream {
    derive(input, metrics::expand, metrics::stub)
}

/// Returns the implementation, or all errors in `input` followed by a stub implementation. The stub keeps code that
/// uses the type free of follow-up errors.
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

//! The registry: all scopes and instruments of a program, or of a test.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::{Arc, LazyLock, OnceLock, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_rules::label_key;
use opentelemetry::InstrumentationScope;

use crate::attributes::AttributeValue;
use crate::data::{AbsentSeries, ExemplarFilter, Exemplars, Intervals, ScopeMetrics, SeriesId};
use crate::distinct_name::{DistinctName, TakenNames};
use crate::error::{AttributeError, InstrumentError, NamingError};
use crate::instrument::SelfMetrics;
use crate::order;
use crate::scope::{Naming, ScopeKey, Spelling};
use crate::scope_patterns::ScopePatterns;
use crate::store::callbacks::{BackgroundTask, Callback, CallbackOptions, Callbacks, Routine};
use crate::store::clock::{Clock, ManualClock};
use crate::store::group::{GroupOptions, Usage, collecting};
use crate::store::identity::Identity;
use crate::store::instrument::{MakeStored, Stored};
use crate::store::observed::Draft;
use crate::store::prometheus_names::PrometheusNames;
use crate::store::scope_shared::ScopeShared;
use crate::store::scopes::{Scope, Scopes, Warning};
use crate::store::settings::{DropReason, FixedAttributes, Settings};
use crate::store::shared::{Door, Shared, Switch};
use crate::stream::{StreamRequest, StreamSettings};
use crate::tap::{MirroredInstrument, Tap};
use crate::unpoisoned::Unpoisoned;

/// All instruments of a program and the values that they recorded.
///
/// A program uses the [global registry](Self::global), through [`Meter::scoped`](crate::Meter::scoped). A test creates
/// its own:
///
/// ```
/// use meterkit::Registry;
///
/// let registry = Registry::new();
/// let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?;
/// requests.increment();
/// assert_eq!(registry.read()[0].metrics[0].descriptor.name, "backstage.plugin.catalog.requests");
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
///
/// Cloning returns another handle to the same registry.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    pub(crate) callbacks: Callbacks,
    pub(crate) self_metrics: OnceLock<Arc<SelfMetrics>>,
    pub(crate) scopes: Scopes,
    taps: RwLock<Vec<Arc<dyn Tap>>>,
    distinct_names: TakenNames,
    is_claimed: AtomicBool,
}

impl Registry {
    /// Creates an empty registry.
    pub fn new() -> Self {
        Self::with(Clock::system())
    }

    /// Creates an empty registry for tests, whose timers, start times and idle timeouts follow `clock`.
    pub fn with_clock(clock: &ManualClock) -> Self {
        Self::with(Clock::Manual(clock.clone()))
    }

    fn with(clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings: Arc::new(Settings::new(clock)),
                callbacks: Callbacks::default(),
                self_metrics: OnceLock::new(),
                scopes: Scopes::default(),
                taps: RwLock::default(),
                distinct_names: TakenNames::default(),
                is_claimed: AtomicBool::new(false),
            }),
        }
    }

    /// Returns the registry of the program, which [`Meter::scoped`](crate::Meter::scoped) uses.
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Registry> = LazyLock::new(Registry::new);
        &GLOBAL
    }

    /// Returns how scopes and metrics are named.
    pub fn naming(&self) -> Naming {
        self.inner.scopes.naming()
    }

    /// Changes how scopes and metrics are named. Existing scopes and metrics are renamed, too.
    ///
    /// # Errors
    ///
    /// Returns an error, and changes nothing, if the name of an existing instrument would become too long.
    pub fn set_naming(&self, naming: Naming) -> Result<(), NamingError> {
        let is_other = self.naming() != naming;
        let duplicates = self.inner.scopes.set_naming(naming)?;
        if let Some(own) = self.inner.self_metrics.get().filter(|_| is_other) {
            own.forget_names();
        }
        self.log(&duplicates);
        Ok(())
    }

    /// Sets the maximum number of series of an instrument that has no limit of its own. The default is 2000;
    /// `METERKIT_CARDINALITY_LIMIT` overrides it. Existing series are kept.
    pub fn set_cardinality_limit(&self, limit: usize) {
        self.inner.settings.cardinality_limit.store(limit.max(1), Relaxed);
    }

    /// Sets the maximum number of series of all groups together. Beyond it, new label sets are recorded in the overflow
    /// series of their group. The default is 1,000,000; `METERKIT_SERIES_LIMIT` overrides it. Existing series are kept.
    pub fn set_series_limit(&self, limit: usize) {
        self.inner.settings.series_limit.store(limit.max(1), Relaxed);
    }

    /// Sets how the values of all existing and future instruments are aggregated. `settings_of` is called for each
    /// instrument while the instrument is being created, and must not create instruments itself. Metrics of this
    /// library about itself are not affected. By default, values are aggregated as declared in code.
    ///
    /// A histogram that has already recorded values sorts them into the new buckets. The result is exact before a
    /// pipeline has started, for up to 65,536 values of all histograms together. Otherwise, each value counts as if it
    /// were at the upper bound of its old bucket. The buckets of an instrument can change only once.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn set_streams(
        &self,
        settings_of: impl Fn(&StreamRequest<'_>) -> StreamSettings + Send + Sync + 'static,
    ) {
        let problems = self.inner.scopes.set_streams(Arc::new(settings_of));
        self.log(&problems);
    }

    /// Sets the attributes that every series of every existing and future instrument has, replacing those of an earlier
    /// call. An attribute of a scope or an instrument, or a label, takes precedence over an attribute with the same
    /// key.
    ///
    /// # Errors
    ///
    /// Returns an error, and changes nothing, if a key is not a valid label key.
    pub fn set_attributes(
        &self,
        attributes: impl IntoIterator<Item = (Cow<'static, str>, AttributeValue)>,
    ) -> Result<(), AttributeError> {
        let attributes: Vec<_> = attributes.into_iter().collect();
        for (key, _) in &attributes {
            if let Some(problem) = label_key::problem(key) {
                return Err(AttributeError { key: key.clone().into_owned(), problem });
            }
        }
        self.inner.scopes.set_attributes(attributes.into(), &self.inner.settings);
        Ok(())
    }

    /// Disables the scopes that match, and enables all others. Instruments of a disabled scope record nothing, run no
    /// callbacks and are not exported. `METERKIT_DISABLED_SCOPES` sets this, too.
    ///
    /// When a scope is enabled again, its instruments start from zero. A series that was looked up by label while its
    /// scope was disabled keeps recording nothing: look it up again.
    pub fn set_disabled_scopes(&self, scopes: ScopePatterns) {
        self.inner.scopes.set_disabled(scopes);
        self.inner.tell(|tap| tap.refresh_made());
    }

    /// Returns the patterns passed to [`set_disabled_scopes`](Self::set_disabled_scopes) that have matched no scope
    /// since, perhaps because they are misspelled. A scope exists as soon as it has an instrument.
    ///
    /// ```
    /// use meterkit_core::Registry;
    ///
    /// let registry = Registry::new();
    /// registry.set_disabled_scopes("plugin.techdoc,core.*".parse()?);
    /// let _requests = registry.scoped("core", "http").counter::<u64>("requests").build()?;
    /// assert_eq!(registry.unmatched_disabled_scopes(), ["plugin.techdoc"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unmatched_disabled_scopes(&self) -> Vec<String> {
        self.inner.scopes.unmatched_patterns()
    }

    /// Removes a scope with all of its instruments. Returns whether the scope existed.
    pub(crate) fn unload(&self, key: &ScopeKey) -> bool {
        if SelfMetrics::has_scope(key) {
            return false;
        }
        let scopes = self.inner.scopes.unload(key);
        let own = self.inner.self_metrics.get();
        for scope in &scopes {
            for instrument in &*scope.instruments() {
                self.inner.callbacks.unregister_unloaded(instrument.callbacks());
                own.iter().for_each(|own| own.forget(&instrument.shared().descriptor().name));
            }
        }
        !scopes.is_empty()
    }

    /// Runs all callbacks of observable instruments once, on threads kept for this purpose, and waits for their values.
    /// Each callback may take as long as its budget allows, and all callbacks together as long as the largest budget.
    ///
    /// Callbacks that refresh in the background do not run here; see [`due_refreshes`](Self::due_refreshes). If a
    /// callback calls this method, no callback runs.
    pub fn refresh(&self) {
        self.inner.callbacks.refresh(self.inner.settings.clock.elapsed());
        SelfMetrics::update(self);
    }

    /// Returns the maximum duration of a [`refresh`](Self::refresh).
    pub fn longest_refresh(&self) -> Duration {
        self.inner.callbacks.longest_refresh()
    }

    /// Returns the background refreshes that are due, and the time until the next refresh is due, if there is one.
    ///
    /// Run each task to completion on a thread of its own: callbacks are user code and may block. Callbacks that have a
    /// runtime of their own are started on that runtime instead.
    pub fn due_refreshes(&self) -> (Vec<BackgroundTask>, Option<Duration>) {
        self.inner.callbacks.due_refreshes(self.inner.settings.clock.elapsed())
    }

    /// Sets how long a collection waits for a callback that has no budget of its own. The default is 1 s;
    /// `METERKIT_CALLBACK_BUDGET` overrides it.
    pub fn set_callback_budget(&self, budget: Duration) {
        self.inner.settings.set_callback_budget(budget);
    }

    /// Sets whether `meterkit.callback.duration` covers all callbacks. By default it covers only slow callbacks: those
    /// with a run that took at least a tenth of their budget, from that run on. `METERKIT_CALLBACK_DURATIONS` overrides
    /// this.
    pub fn set_callback_durations(&self, of_all: bool) {
        self.inner.settings.times_callbacks.store(of_all, Relaxed);
    }

    /// Returns, by full name and in order of names, how many series the groups have and how many recordings went to
    /// overflow series. Groups of different scopes may share a name, and are added up.
    pub(crate) fn usage(&self) -> Vec<(String, Usage)> {
        let mut usages = Vec::new();
        let scopes = self.inner.scopes.all().into_iter();
        for scope in scopes.filter(|scope| !SelfMetrics::has_scope(&scope.key)) {
            for instrument in &*scope.instruments() {
                let is_on = !instrument.shared().is_off();
                if let Some(usage) = instrument.usage().filter(|_| is_on) {
                    let name = instrument.shared().descriptor().name.clone();
                    usages.push((name, usage));
                }
            }
        }
        order::join(&mut usages, |total, usage| {
            total.series += usage.series;
            total.overflowed += usage.overflowed;
            total.is_nearly_full |= usage.is_nearly_full;
        });
        usages
    }

    /// Returns `name` if no other object is observed under that name with this `label`. Otherwise returns `name-2`,
    /// `name-3` and so on, and logs the change. The name is in use until the returned value is dropped, so the callback
    /// that reports the series should own it.
    #[doc(hidden)] // for the crates that observe pools and tasks
    pub fn distinct_name(&self, label: &'static str, name: &str) -> DistinctName {
        DistinctName::take(&self.inner.distinct_names, label, name)
    }

    /// Returns a live view of the Prometheus names of all instruments, present and future.
    #[doc(hidden)] // for the crates that collect and export
    pub fn prometheus_names(&self) -> PrometheusNames {
        self.inner.scopes.prometheus_names.clone()
    }

    /// Returns the current values of all instruments: scopes ordered by name, metrics by name, points by attributes.
    ///
    /// Values are cumulative. This method does not run callbacks; [`refresh`](Self::refresh) does.
    pub fn read(&self) -> Vec<ScopeMetrics> {
        self.inner.scopes.read()
    }

    /// Returns the time for a collection, which is later than `last`, the time of the collection before. Even if the
    /// clock is set back, no series that has been read starts after this time, and no future series starts before it.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn time_after(&self, last: Option<SystemTime>) -> SystemTime {
        let last = last.map_or(0, Settings::nanoseconds);
        UNIX_EPOCH + Duration::from_nanos(self.inner.settings.start_after(last))
    }

    /// Returns the number of the last [collection](Self::collect), whether this pipeline or an earlier one ran it.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn last_collection(&self) -> u64 {
        self.inner.settings.collection.load(Relaxed)
    }

    /// [Reads](Self::read) all instruments for the collection with this number, which must be greater than all before.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn collect(&self, number: u64) -> Vec<ScopeMetrics> {
        self.inner.settings.collection.store(number, Relaxed);
        collecting(|| self.read())
    }

    /// Sets whether [collections](Self::collect) keep what each histogram recorded since the collection before.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn want_intervals(&self, are_wanted: bool) {
        self.inner.settings.intervals.want(are_wanted);
    }

    /// Returns what the histograms recorded between the last two collections.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn take_intervals(&self) -> Intervals {
        self.inner.settings.intervals.take()
    }

    /// Sets which measurements of counters and histograms may become exemplars. Before the first call, and in builds
    /// without the feature `exemplars`, no measurement does.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn sample_exemplars(&self, _filter: ExemplarFilter) {
        #[cfg(feature = "exemplars")]
        self.inner.settings.exemplars.set_filter(_filter);
    }

    /// Returns the exemplars of all series for the collection at `time`. Call this after [`collect`](Self::collect) has
    /// read the values of that collection.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn exemplars(&self, _time: SystemTime) -> Exemplars {
        #[cfg(feature = "exemplars")]
        return self.inner.settings.exemplars.read(_time);
        #[cfg(not(feature = "exemplars"))]
        Exemplars::default()
    }

    /// Sets the number of the last collection that all targets waiting for the last values of idle series have
    /// received; `None` if no target waits. For a waiting target, idle series are kept up to an hour longer.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn set_delivered(&self, number: Option<u64>) {
        self.inner.settings.delivered.store(number.unwrap_or(u64::MAX), Relaxed);
    }

    /// Counts series that ended before a target received their last values.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn count_undelivered(&self, series: u64) {
        self.inner.settings.count_dropped(DropReason::Undelivered, series);
    }

    /// Forgets series that no [collection](crate::Collections) remembers any longer. A series that returns later starts
    /// anew.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn forget(&self, absent: &[Arc<AbsentSeries>]) {
        let series: HashSet<SeriesId> = absent.iter().flat_map(|absent| absent.series()).collect();
        if !series.is_empty() {
            for scope in self.inner.scopes.all() {
                scope.instruments().iter().for_each(|instrument| instrument.forget(&series));
            }
        }
    }

    /// Claims the registry for one pipeline. Returns `None` while another pipeline holds the claim.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn claim(&self) -> Option<Claim> {
        let is_free = !self.inner.is_claimed.swap(true, AcqRel);
        is_free.then(|| Claim { registry: self.clone() })
    }

    /// Starts to report events of this registry to `tap`.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn tap(&self, tap: Arc<dyn Tap>) {
        self.inner.taps.write().unpoisoned().push(tap);
    }

    /// Stops reporting events to `tap`.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn untap(&self, tap: &Arc<dyn Tap>) {
        let mut taps = self.inner.taps.write().unpoisoned();
        taps.retain(|known| !Arc::ptr_eq(known, tap));
    }

    /// Sets whether a listener is going to be [attached](MirroredInstrument::feed) to histograms. Until the first call,
    /// all histograms together keep up to 65,536 values for a listener. `meterkit.dropped` counts the values that did
    /// not fit.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn expect_listener(&self, expects: bool) {
        let settings = &self.inner.settings;
        settings.expect_listener(expects);
        if !expects {
            for scope in self.inner.scopes.all() {
                scope.instruments().iter().for_each(|instrument| instrument.feed(None));
            }
        }
    }

    /// Returns every instrument, for a mirror that maintains a copy of each elsewhere.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn instruments(&self) -> Vec<MirroredInstrument> {
        let scopes = self.inner.scopes.all().into_iter();
        let of = |scope: Arc<Scope>| {
            let name = scope.instrumentation_scope();
            let instruments = scope.instruments();
            let mirrored = instruments.iter().map(|it| MirroredInstrument::new(name.clone(), it));
            mirrored.collect::<Vec<_>>()
        };
        scopes.flat_map(of).collect()
    }

    /// Returns the instrument with this name in the scope, and creates it if it does not exist yet.
    pub(crate) fn find_or_make(
        &self,
        key: &ScopeKey,
        identity: Identity,
        door: Door,
        options: GroupOptions,
        make: MakeStored<'_>,
    ) -> Result<Arc<dyn Stored>, InstrumentError> {
        let settings = &self.inner.settings;
        let scopes = &self.inner.scopes;
        let (found, is_new, warnings) =
            scopes.instrument(key, identity, door, options, settings, make)?;
        self.log(&warnings);
        if is_new {
            self.inner.tell(|tap| tap.instrument_made());
        }
        Ok(found)
    }

    /// Logs each warning, unless it has been logged before. Call this without holding a lock.
    fn log(&self, warnings: &[Warning]) {
        warnings.iter().for_each(|warning| warning.log(&self.inner.settings.logged));
    }

    /// Returns the shared state of an instrument that is in no registry and records nothing.
    pub(crate) fn not_made(&self, identity: Identity) -> Shared {
        let settings = self.inner.settings.clone();
        let scope = Arc::new(ScopeShared::new(
            InstrumentationScope::default(),
            Spelling::Translated,
            FixedAttributes::default(),
            &settings,
        ));
        let shared = Shared::new(identity, scope, settings, Door::Facade);
        shared.switch(Switch::NotMade);
        shared
    }

    /// Creates a callback that reports `drafts`. The caller registers it.
    pub(crate) fn callback(
        &self,
        drafts: Vec<Draft>,
        work: Routine,
        options: CallbackOptions,
    ) -> Callback {
        let metrics = SelfMetrics::of(self).clone();
        Callback::new(drafts, work, options, self.inner.settings.clone(), metrics)
    }

    pub(crate) fn register_callback(&self, callback: Arc<Callback>) {
        let is_refresh = callback.is_refresh();
        self.inner.callbacks.register(callback);
        if is_refresh {
            self.inner.tell(|tap| tap.refresh_made());
        }
    }
}

impl Inner {
    /// Calls all taps. The lock on the list is released first.
    fn tell(&self, tell: impl Fn(&dyn Tap)) {
        let taps = self.taps.read().unpoisoned().clone();
        taps.iter().for_each(|tap| tell(&**tap));
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = self.inner.scopes.all();
        let names = scopes.iter().map(|scope| scope.instrumentation_scope().name().to_owned());
        f.debug_struct("Registry").field("scopes", &names.collect::<Vec<_>>()).finish()
    }
}

/// The exclusive right to collect from a registry. Dropping it makes the registry available again.
#[derive(Debug)]
pub struct Claim {
    registry: Registry,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.registry.inner.is_claimed.store(false, Release);
    }
}

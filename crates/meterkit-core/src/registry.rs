//! All scopes and instruments of a program, or of a test.

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

/// All instruments of a program and what they have counted.
///
/// A program has one, behind [`Meter::scoped`](crate::Meter::scoped); a test makes its own and needs no global:
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
/// Cloning gives another handle on the same registry.
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
    /// An empty registry.
    pub fn new() -> Self {
        Self::with(Clock::system())
    }

    /// An empty registry whose timers, start times and idle timeouts go by `clock`: for tests.
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

    /// Returns the registry of the program, behind [`Meter::scoped`](crate::Meter::scoped).
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Registry> = LazyLock::new(Registry::new);
        &GLOBAL
    }

    /// Returns how scopes and metrics are named.
    pub fn naming(&self) -> Naming {
        self.inner.scopes.naming()
    }

    /// Changes how scopes and metrics are named, those that exist included.
    ///
    /// # Errors
    ///
    /// An existing instrument's name would get too long. Nothing is changed then.
    pub fn set_naming(&self, naming: Naming) -> Result<(), NamingError> {
        let is_other = self.naming() != naming;
        let duplicates = self.inner.scopes.set_naming(naming)?;
        if let Some(own) = self.inner.self_metrics.get().filter(|_| is_other) {
            own.forget_names();
        }
        self.log(&duplicates);
        Ok(())
    }

    /// How many series an instrument may have that names no limit of its own. 2000 by default;
    /// `METERKIT_CARDINALITY_LIMIT` overrides. Series that exist stay.
    pub fn set_cardinality_limit(&self, limit: usize) {
        self.inner.settings.cardinality_limit.store(limit.max(1), Relaxed);
    }

    /// How many series all groups may have together; further label sets go to the overflow series of their groups.
    /// 1,000,000 by default; `METERKIT_SERIES_LIMIT` overrides. Series that exist stay.
    pub fn set_series_limit(&self, limit: usize) {
        self.inner.settings.series_limit.store(limit.max(1), Relaxed);
    }

    /// Sets how the values of all instruments are kept, those that exist and those to come:
    /// `settings_of` is asked for each, while its instrument is made, and must not make others. What this library tells
    /// of itself stays as it is. By default values are kept as the code says.
    ///
    /// Values that a histogram recorded before are sorted anew: exactly until a pipeline has been started, up to 65,536
    /// of all histograms, else as if each were at the upper end of its bucket. The buckets of an instrument change
    /// once.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn set_streams(
        &self,
        settings_of: impl Fn(&StreamRequest<'_>) -> StreamSettings + Send + Sync + 'static,
    ) {
        let problems = self.inner.scopes.set_streams(Arc::new(settings_of));
        self.log(&problems);
    }

    /// Puts attributes on every series of every instrument, those that exist included, in place of those that were set
    /// before. Attributes of scopes and of instruments, and labels, win over one that has the same key.
    ///
    /// # Errors
    ///
    /// A key that no label may have. Nothing is changed then.
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

    /// Disables scopes, and enables all others: instruments of a disabled scope record nothing, run no callbacks and
    /// are in no export. `METERKIT_DISABLED_SCOPES` sets it too.
    ///
    /// Instruments of a scope that is enabled again begin anew. A series that was looked up by label while its scope
    /// was disabled stays without effect when the scope is enabled again: look it up again.
    pub fn set_disabled_scopes(&self, scopes: ScopePatterns) {
        self.inner.scopes.set_disabled(scopes);
        self.inner.tell(|tap| tap.refresh_made());
    }

    /// Returns what [`set_disabled_scopes`](Self::set_disabled_scopes) named, and no scope has been like since then: a
    /// spelling mistake, perhaps. A scope is there with its first instrument.
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

    /// Takes a scope and all that is in it away.
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

    /// Runs all callbacks of observable instruments once, on threads kept for them, and waits for what they report. Each
    /// callback may take as long as its budget allows, and all together as long as the largest budget.
    ///
    /// Callbacks that are refreshed in the background do not run here; see [`due_refreshes`](Self::due_refreshes).
    /// Called from within a callback, this runs none.
    pub fn refresh(&self) {
        self.inner.callbacks.refresh(self.inner.settings.clock.elapsed());
        SelfMetrics::update(self);
    }

    /// Returns how long [`refresh`](Self::refresh) takes at most.
    pub fn longest_refresh(&self) -> Duration {
        self.inner.callbacks.longest_refresh()
    }

    /// Returns the async callbacks whose period is over, and the time until the next one is due, if there is one.
    ///
    /// Run each task to its end on a thread of its own: callbacks are the user's code and may block. Callbacks that have
    /// a runtime of their own are started there instead.
    pub fn due_refreshes(&self) -> (Vec<BackgroundTask>, Option<Duration>) {
        self.inner.callbacks.due_refreshes(self.inner.settings.clock.elapsed())
    }

    /// How long a collection waits for a callback that has no budget of its own. 1 s by default;
    /// `METERKIT_CALLBACK_BUDGET` overrides.
    pub fn set_callback_budget(&self, budget: Duration) {
        self.inner.settings.set_callback_budget(budget);
    }

    /// Sets whether `meterkit.callback.duration` has the runs of each callback. By default it has those of callbacks that
    /// are slow: from the first run on that takes a tenth of the callback's budget. `METERKIT_CALLBACK_DURATIONS`
    /// overrides.
    pub fn set_callback_durations(&self, of_all: bool) {
        self.inner.settings.times_callbacks.store(of_all, Relaxed);
    }

    /// Returns how many series groups have, and how often recordings went to overflow series, by full name: groups of
    /// several scopes may have one name. Names are in order.
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

    /// Returns `name` if no other thing is observed under that name by this `label`, else `name-2`, `name-3` and so on,
    /// and logs that. The name is in use until the returned value is dropped: the callback that reports the series is to
    /// own it.
    #[doc(hidden)] // for the crates that observe pools and tasks
    pub fn distinct_name(&self, label: &'static str, name: &str) -> DistinctName {
        DistinctName::take(&self.inner.distinct_names, label, name)
    }

    /// Returns the names that the instruments have in Prometheus, now and whenever they are asked about.
    #[doc(hidden)] // for the crates that collect and export
    pub fn prometheus_names(&self) -> PrometheusNames {
        self.inner.scopes.prometheus_names.clone()
    }

    /// Returns what all instruments hold now: scopes by name, metrics by name, points by attributes.
    ///
    /// Values are cumulative. Does not run callbacks: [`refresh`](Self::refresh) does.
    pub fn read(&self) -> Vec<ScopeMetrics> {
        self.inner.scopes.read()
    }

    /// Returns the date and time for a collection, later than that of the collection before, `last`. No series that has
    /// been read began later, and none that is to come begins earlier, whatever the clock does.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn time_after(&self, last: Option<SystemTime>) -> SystemTime {
        let last = last.map_or(0, Settings::nanoseconds);
        UNIX_EPOCH + Duration::from_nanos(self.inner.settings.start_after(last))
    }

    /// Returns the number of the last [collection](Self::collect), by this pipeline or an earlier one.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn last_collection(&self) -> u64 {
        self.inner.settings.collection.load(Relaxed)
    }

    /// [Reads](Self::read) all instruments for the collection with this number, which is greater than those before.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn collect(&self, number: u64) -> Vec<ScopeMetrics> {
        self.inner.settings.collection.store(number, Relaxed);
        collecting(|| self.read())
    }

    /// Sets whether [collections](Self::collect) note what each histogram recorded since the one before.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn want_intervals(&self, are_wanted: bool) {
        self.inner.settings.intervals.want(are_wanted);
    }

    /// Returns what histograms recorded between the last two collections.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn take_intervals(&self) -> Intervals {
        self.inner.settings.intervals.take()
    }

    /// Sets which measurements of counters and histograms may become exemplars: none until this is called, and none in
    /// builds without the feature `exemplars`.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn sample_exemplars(&self, _filter: ExemplarFilter) {
        #[cfg(feature = "exemplars")]
        self.inner.settings.exemplars.set_filter(_filter);
    }

    /// Returns the exemplars of all series, for a collection that was taken at `time`. To be called after its values were
    /// [read](Self::collect).
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn exemplars(&self, _time: SystemTime) -> Exemplars {
        #[cfg(feature = "exemplars")]
        return self.inner.settings.exemplars.read(_time);
        #[cfg(not(feature = "exemplars"))]
        Exemplars::default()
    }

    /// Sets the number of the last collection that everyone has who waits for the last values of idle series; `None`
    /// when nobody waits. Series that are idle stay up to an hour longer for whoever waits.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn set_delivered(&self, number: Option<u64>) {
        self.inner.settings.delivered.store(number.unwrap_or(u64::MAX), Relaxed);
    }

    /// Counts series that ended before a target had their last values.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn count_undelivered(&self, series: u64) {
        self.inner.settings.count_dropped(DropReason::Undelivered, series);
    }

    /// Forgets series that no [collection](crate::Collections) remembers any more. They begin anew if they return.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn forget(&self, absent: &[Arc<AbsentSeries>]) {
        let series: HashSet<SeriesId> = absent.iter().flat_map(|absent| absent.series()).collect();
        if !series.is_empty() {
            for scope in self.inner.scopes.all() {
                scope.instruments().iter().for_each(|instrument| instrument.forget(&series));
            }
        }
    }

    /// Claims the registry for one pipeline. `None` while another one has it.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn claim(&self) -> Option<Claim> {
        let is_free = !self.inner.is_claimed.swap(true, AcqRel);
        is_free.then(|| Claim { registry: self.clone() })
    }

    /// Reports to `tap` what happens in this registry from now on.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn tap(&self, tap: Arc<dyn Tap>) {
        self.inner.taps.write().unpoisoned().push(tap);
    }

    /// Stops reporting to `tap`.
    #[doc(hidden)] // for the crates that collect and mirror
    pub fn untap(&self, tap: &Arc<dyn Tap>) {
        let mut taps = self.inner.taps.write().unpoisoned();
        taps.retain(|known| !Arc::ptr_eq(known, tap));
    }

    /// Sets whether something is going to [listen](MirroredInstrument::feed) to histograms. Until this is called,
    /// histograms together keep up to 65,536 values for a listener. `meterkit.dropped` counts the values that did not
    /// fit.
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

    /// Returns every instrument, for a mirror that keeps a copy of each elsewhere.
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

    /// Returns the instrument with this name in the scope. Makes it if it does not exist yet.
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

    /// Logs warnings, each once. Hold no lock.
    fn log(&self, warnings: &[Warning]) {
        warnings.iter().for_each(|warning| warning.log(&self.inner.settings.logged));
    }

    /// Returns what an instrument has that is in no registry and records nothing.
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

    /// Returns a callback that reports `drafts`, about to be registered.
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
    /// Calls all taps, with no lock held.
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

/// The right to collect from a registry. Dropping it frees the registry.
#[derive(Debug)]
pub struct Claim {
    registry: Registry,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.registry.inner.is_claimed.store(false, Release);
    }
}

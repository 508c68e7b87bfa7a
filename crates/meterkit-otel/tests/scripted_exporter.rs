//! An OpenTelemetry exporter that follows a test's script and keeps the batches that it is offered.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use meterkit_core::{Meter, Naming, NamingPolicy, Registry};
use meterkit_otel::sdk::Mirror;
use meterkit_pipeline::PipelineBuilder;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::user_reader::{Reading, UserReader, readings};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE};

/// What the exporter does with a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Accept,
    Refuse,
    Panic,
    /// Returns a future that never completes.
    Hang,
    /// Blocks its thread until [`Offers::release`] is called, then accepts.
    Block,
}

/// An exporter that performs one step per offered batch, and repeats its last step.
pub(crate) struct ScriptedExporter {
    temporality: Temporality,
    steps: Mutex<VecDeque<Step>>,
    last: Step,
    offers: Offers,
}

/// The batches that an exporter was offered.
#[derive(Clone, Default)]
pub(crate) struct Offers(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    offers: Vec<Offer>,
    is_released: bool,
    shutdowns: usize,
}

/// One offered batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) step: Step,
    pub(crate) readings: Vec<Reading>,
    /// The debug output of the whole batch, with resource, times and buckets.
    pub(crate) text: String,
}

impl ScriptedExporter {
    /// Creates an exporter that performs these steps and then accepts every batch.
    pub(crate) fn new(temporality: Temporality, steps: &[Step]) -> (Self, Offers) {
        let offers = Offers::default();
        let steps = Mutex::new(steps.iter().copied().collect());
        (Self { temporality, steps, last: Step::Accept, offers: offers.clone() }, offers)
    }

    /// Creates an exporter that always performs the same step.
    pub(crate) fn always(temporality: Temporality, step: Step) -> (Self, Offers) {
        let (exporter, offers) = Self::new(temporality, &[]);
        (Self { last: step, ..exporter }, offers)
    }
}

impl PushMetricExporter for ScriptedExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(self.last);
        let (readings, text) = (readings(metrics), format!("{metrics:?}"));
        self.offers.change(|state| state.offers.push(Offer { step, readings, text }));
        match step {
            Step::Accept => Ok(()),
            Step::Refuse => Err(OTelSdkError::InternalFailure("the receiver is down".to_owned())),
            Step::Panic => panic!("the exporter has a bug"),
            Step::Hang => std::future::pending().await,
            Step::Block => {
                self.offers.wait_until(|state| state.is_released);
                Ok(())
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.offers.change(|state| state.shutdowns += 1);
        match self.last {
            Step::Panic => panic!("the exporter has a bug at its end too"),
            Step::Block => self.offers.wait_until(|state| state.is_released),
            _ => {}
        }
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

impl Offers {
    pub(crate) fn all(&self) -> Vec<Offer> {
        self.0.0.lock().unwrap().offers.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.0.lock().unwrap().offers.len()
    }

    pub(crate) fn shutdowns(&self) -> usize {
        self.0.0.lock().unwrap().shutdowns
    }

    /// Returns the accepted series, batch by batch.
    pub(crate) fn accepted(&self) -> Vec<Vec<Reading>> {
        let accepted = self.all().into_iter().filter(|offer| offer.step == Step::Accept);
        accepted.map(|offer| offer.readings).collect()
    }

    /// Returns all accepted points of metrics with this name, in order.
    pub(crate) fn points(&self, name: &str) -> Vec<Reading> {
        self.accepted().into_iter().flatten().filter(|reading| reading.name == name).collect()
    }

    /// Returns the accepted values of the metric with this name, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.points(name).iter().map(|reading| reading.value).collect()
    }

    /// Returns the sum of the accepted values of the metric with this name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().sum()
    }

    /// Waits until `count` batches have been offered.
    pub(crate) fn wait_for(&self, count: usize) {
        self.wait_until(|state| state.offers.len() >= count);
    }

    /// Releases the threads that the exporter blocks.
    pub(crate) fn release(&self) {
        self.change(|state| state.is_released = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        let state = self.0.0.lock().unwrap();
        let waited = self.0.1.wait_timeout_while(state, PATIENCE, |state| !is_so(state)).unwrap();
        assert!(!waited.1.timed_out(), "waited too long");
    }
}

/// Creates a registry whose names have no prefix, and returns it with the meter of its plugin `catalog`.
pub(crate) fn catalog() -> (Registry, Meter) {
    let (registry, meter) = meterkit_fakes::catalog();
    let naming = Naming::new("backstage", NamingPolicy::ScopeOnly).expect("a good namespace");
    registry.set_naming(naming).expect("nothing is named yet");
    (registry, meter)
}

/// Adds exporters to a pipeline.
pub(crate) trait WithExporters {
    /// Adds these readers, and these exporters, which export only when asked.
    fn exporters<const N: usize>(
        self,
        exporters: [ScriptedExporter; N],
        readers: &[&UserReader],
    ) -> Self;
}

impl WithExporters for PipelineBuilder {
    fn exporters<const N: usize>(
        mut self,
        exporters: [ScriptedExporter; N],
        readers: &[&UserReader],
    ) -> Self {
        let mut mirror = Mirror::new();
        readers.iter().for_each(|reader| mirror.reader(UserReader::clone(reader)));
        for exporter in exporters {
            self = self.target(mirror.exporter(exporter), ONLY_WHEN_ASKED);
        }
        mirror.attach(self)
    }
}

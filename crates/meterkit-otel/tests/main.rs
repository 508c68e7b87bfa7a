//! All integration tests of this crate, in one binary to save link time.

mod attributes;
mod bound_instruments;
mod catalog_and_names;
mod duplicate_instruments;
mod early_provider;
mod exponential_readers;
mod exporter_outages;
mod exporters;
mod foreign_callbacks;
mod foreign_instruments;
mod guarantees;
mod limits;
mod opentelemetry_observables;
mod opentelemetry_readers;
mod readers_and_removal;
#[cfg(feature = "sdk")]
mod scripted_exporter;
mod soak;
mod two_doors;
mod two_doors_at_once;
#[cfg(feature = "sdk")]
mod user_reader;

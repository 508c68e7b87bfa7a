//! All integration tests of this crate in one binary, which links once.

mod abandoned_scrapes;
mod block_on;
mod clock_set_back;
mod delta_intervals;
mod delta_targets;
mod deltas;
mod exemplars;
mod exponential_deltas;
mod filters;
mod health;
mod idle_series;
mod life_cycle;
mod observable_deltas;
mod refreshes;
mod retries;
mod runtimes;
mod self_metrics;
mod shared_snapshots;
mod silence;
mod slow_targets;
mod stuck_console;
mod target_checks;
mod views;
mod views_totals;
mod whatever_happens;

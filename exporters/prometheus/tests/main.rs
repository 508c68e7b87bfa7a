//! All integration tests of this crate in one binary, which links once.

mod bad_texts;
mod callbacks;
mod catalog_names;
mod checker;
mod client;
mod collisions;
mod credentials;
mod endpoint;
mod endpoint_patience;
mod endpoint_shutdown;
mod exact_totals;
mod exposition;
mod hostile_requests;
mod name_meetings;
mod served;
mod service;
mod tls;
mod translations;
mod translations_served;
mod without_tls;

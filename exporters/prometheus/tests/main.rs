//! All integration tests of this crate in one binary, which links once.

mod bad_texts;
mod callbacks;
mod catalog_names;
mod checker;
mod client;
mod collisions;
mod compression;
mod credentials;
mod endpoint;
mod endpoint_patience;
mod endpoint_shutdown;
mod exact_totals;
mod exposed;
mod exposition;
mod hostile_requests;
mod name_meetings;
mod negotiated;
mod served;
mod service;
mod starvation;
mod tls;
mod tls_reload;
mod translations;
mod translations_served;
mod without_tls;

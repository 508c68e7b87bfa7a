//! Requests of every kind through the middleware, to servers over loopback.

mod endings;
mod requests;
mod server;

//! Plain Rust: the minimum cost of any library.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Returns calls that add to an atomic on the heap.
pub fn atomic_add() -> impl Fn() + Send + Sync + 'static {
    let cell = Arc::new(AtomicU64::new(0));
    move || {
        black_box(&cell).fetch_add(1, Relaxed);
    }
}

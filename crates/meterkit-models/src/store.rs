//! The cells, with Loom's atomics in place of the standard library's.

pub(crate) mod atomic;
#[path = "../../meterkit-core/src/store/cell.rs"]
pub(crate) mod cell;
pub(crate) mod distribution;
#[path = "../../meterkit-core/src/store/stripes.rs"]
pub(crate) mod stripes;
#[path = "../../meterkit-core/src/store/sum.rs"]
pub(crate) mod sum;
pub(crate) mod thread_number;

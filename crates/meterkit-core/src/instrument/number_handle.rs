//! The common part of counters, up-down counters and gauges: each is a handle to a number in the store.

use std::fmt;

use crate::number::Value;
use crate::store::handle::AnyHandle;

/// Implements `$handle` as a handle to a number in the store.
macro_rules! number_handle {
    ($handle:ident, $number:ident, $cell:ident) => {
        const _: () = {
            use crate::Kind;
            use crate::instrument::number_handle::debug;
            use crate::number::{NumberType, Value};
            use crate::store::{cell::Cell, handle::Handle, shared::Shared};

            impl<T: $number> Clone for $handle<T> {
                fn clone(&self) -> Self {
                    Self { series: self.series.clone(), number: PhantomData }
                }
            }

            impl<T: $number> std::fmt::Debug for $handle<T> {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    debug(f, stringify!($handle), self)
                }
            }

            impl<T: $number> Handle for $handle<T> {
                type Cell = $cell;

                const KIND: Kind = Kind::$handle;
                const NUMBER: NumberType = T::TYPE;

                fn new(series: SeriesRef<$cell>) -> Self {
                    Self { series, number: PhantomData }
                }

                #[inline]
                fn series(&self) -> &SeriesRef<$cell> {
                    &self.series
                }

                fn cell(_: &Shared) -> $cell {
                    $cell::new()
                }

                fn number(&self) -> Option<Value> {
                    self.series.cell().number::<T>().map(T::value)
                }

                fn zero(&self) {
                    self.series.cell().zero();
                }
            }
        };
    };
}

pub(super) use number_handle;

/// Formats a handle with its value, if it has one.
pub(super) fn debug(f: &mut fmt::Formatter<'_>, name: &str, handle: &dyn AnyHandle) -> fmt::Result {
    match handle.number() {
        Some(Value::U64(value)) => handle.debug(f, name, &value),
        Some(Value::I64(value)) => handle.debug(f, name, &value),
        Some(Value::F64(value)) => handle.debug(f, name, &value),
        None => handle.debug(f, name, &None::<u64>),
    }
}

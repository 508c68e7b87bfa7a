//! What counters, up-down counters and gauges have in common: they are handles on a number.

use std::fmt;

use crate::Kind;
use crate::data::{Data, NumberPoint};
use crate::number::Number;
use crate::store::cell::Cell;
use crate::store::series::SeriesRef;
use crate::store::shared::Shared;

/// Makes `$handle` a handle on the numbers of the store.
macro_rules! number_handle {
    ($handle:ident, $number:ident, $cell:ident) => {
        const _: () = {
            use crate::instrument::number_handle::{debug, points};
            use crate::store::{cell::Cell, handle::Handle, shared::Shared};
            use crate::{Kind, data::Data, number::NumberType};

            impl<T: $number> Clone for $handle<T> {
                fn clone(&self) -> Self {
                    Self { series: self.series.clone(), number: PhantomData }
                }
            }

            impl<T: $number> std::fmt::Debug for $handle<T> {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    debug::<T, _>(f, stringify!($handle), &self.series)
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

                fn data(shared: &Shared, series: &mut dyn Iterator<Item = &Self>) -> Data {
                    points::<T, _>(Self::KIND, shared, series.map(|it| &it.series))
                }

                fn zero(&self) {
                    self.series.cell().zero();
                }
            }
        };
    };
}

pub(super) use number_handle;

/// Shows a handle with its value, if it has one.
pub(super) fn debug<T: Number, C: Cell>(
    f: &mut fmt::Formatter<'_>,
    handle: &str,
    series: &SeriesRef<C>,
) -> fmt::Result {
    match series.cell().number::<T>() {
        Some(value) => series.debug(f, handle, &value),
        None => series.debug(f, handle, &None::<T>),
    }
}

/// Returns the points of the series that have a value.
pub(super) fn points<'a, T: Number, C: Cell>(
    kind: Kind,
    shared: &Shared,
    series: impl Iterator<Item = &'a SeriesRef<C>>,
) -> Data {
    shared.ask_for_look();
    let keys = shared.keys();
    // Room for every series: an instrument without labels needs one point, and others are not copied while they grow.
    let mut points = Vec::with_capacity(series.size_hint().1.unwrap_or_default());
    points.extend(series.filter_map(|series| {
        Some(NumberPoint {
            series: series.id(),
            attributes: series.attributes(&keys),
            start: series.start(),
            value: series.cell().number::<T>()?.value(),
        })
    }));
    if points.len() < points.capacity() / 2 {
        points.shrink_to_fit();
    }
    Data::of_numbers(kind, points)
}

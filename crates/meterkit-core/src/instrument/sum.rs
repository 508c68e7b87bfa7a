//! What counters and up-down counters have in common: both are handles on a sum.

/// Makes `$handle` a handle on the sums of the store.
macro_rules! sum_handle {
    ($handle:ident, $number:ident, $cell:ident, $kind:expr) => {
        impl<T: $number> Clone for $handle<T> {
            fn clone(&self) -> Self {
                Self { series: self.series.clone(), number: PhantomData }
            }
        }

        impl<T: $number> fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.series.debug(f, stringify!($handle), &self.value())
            }
        }

        impl<T: $number> Handle for $handle<T> {
            type Cell = $cell;

            const KIND: Kind = $kind;
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
                let keys = shared.keys();
                let points = series.map(|Self { series, .. }| NumberPoint {
                    series: series.id(),
                    attributes: series.attributes(&keys),
                    start: series.start(),
                    value: series.cell().get::<T>().value(),
                });
                Data::Sum {
                    monotonic: matches!($kind, Kind::Counter),
                    temporality: Temporality::Cumulative,
                    points: points.collect(),
                }
            }
        }
    };
}

pub(super) use sum_handle;

//! What counters and up-down counters have in common: both are handles on a sum.

/// Makes `$handle` a handle on the sums of the store.
macro_rules! sum_handle {
    ($handle:ident, $number:ident, $kind:expr) => {
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
            type Cell = SumCell;
            type Sdk = ();

            const KIND: Kind = $kind;
            const NUMBER: NumberType = T::TYPE;

            fn new(series: SeriesRef<SumCell>) -> Self {
                Self { series, number: PhantomData }
            }

            #[inline]
            fn series(&self) -> &SeriesRef<SumCell> {
                &self.series
            }

            fn cell(_: &Shared, (): &(), _: &Attributes) -> SumCell {
                SumCell::new()
            }

            fn data(shared: &Shared, series: &mut dyn Iterator<Item = &Self>) -> Data {
                let keys = shared.keys();
                let points = series.map(|Self { series, .. }| NumberPoint {
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

            fn map(core: &Arc<Core<Self>>, meter: &SdkMeter, before_read: Option<&BeforeRead>) {
                otel::map_numbers(core.clone(), meter, before_read);
            }
        }
    };
}

pub(super) use sum_handle;

//! Instruments that the program knows before it first uses them.

use std::sync::{Arc, LazyLock};

pub use inventory;

use crate::registry::Registry;

/// Declares statics that hold instruments, or structs that derive `Metrics`. Needs the feature `declare`.
///
/// Any crate that the program links may declare some. `Telemetry::install` makes them all, and so does
/// [`Registry::catalog`] of the global registry: a declared instrument is in the catalog, in generated
/// dashboards and rules, and with `zero_initialized` in the first scrape, whether it has been used or not.
///
/// ```
/// use meterkit::{Counter, CounterGroup, Histogram, Labels, Meter, Metrics, Registry, declare};
///
/// #[derive(Labels)]
/// struct Order {
///     success: bool,
/// }
///
/// #[derive(Metrics)]
/// #[metrics(scope = "plugin", name = "cart")]
/// pub struct CartMetrics {
///     /// Carts that were left behind.
///     abandoned: Counter,
/// }
///
/// declare! {
///     /// Orders that were processed, by outcome.
///     pub static ORDERS: CounterGroup<Order> = Meter::scoped("plugin", "shop"), zero_initialized;
///
///     /// Time to process an order.
///     static DURATION: Histogram = Meter::scoped("plugin", "shop"), "orders.duration", unit = "s";
///
///     /// Without a meter, a name is used as it is written.
///     static RETRIES: Counter<u64> = "shop_retries_total";
///
///     // A struct that names its scope.
///     pub static CART: CartMetrics;
/// }
///
/// assert_eq!(Registry::global().catalog().entries.len(), 4); // nothing has been used so far
///
/// ORDERS.with(Order { success: true }).increment();
/// DURATION.record(0.2);
/// # RETRIES.increment();
/// CART.abandoned.increment();
/// ```
///
/// After `=` come a meter, the name, and options, which are methods of the builder, as [`counter!`](crate::counter) takes
/// them. Below a meter, the name may be left out: the name of the static in lowercase is used then. The doc comment
/// becomes the description.
///
/// Each static is a [`LazyLock`] of the written type. Like any such static, it works before `install()`, and it keeps the
/// first instrument of a scope that is unloaded. If an instrument cannot be made, an error is logged, and the static
/// records nowhere ([`register`](crate::InstrumentBuilder::register)).
///
/// Declarations are found with the crate [`inventory`](https://docs.rs/inventory), which works on Linux, macOS, Windows
/// and most other systems. A crate that nothing in the program refers to is not linked, and what it declares is unknown.
#[macro_export]
macro_rules! declare {
    () => {};
    ($(#[doc = $doc:literal])* #[cfg($($cfg:tt)*)] $($rest:tt)*) => {
        $crate::declare!(@next [$($doc)*] [#[cfg($($cfg)*)]] $($rest)*);
    };
    ($(#[doc = $doc:literal])* $visibility:vis static $($rest:tt)*) => {
        $crate::declare!(@next [$($doc)*] [] $visibility static $($rest)*);
    };
    (@next [$($doc:literal)*] [$($cfg:tt)*]
     $visibility:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $(#[doc = $doc])* $($cfg)*
        $visibility static $name: ::std::sync::LazyLock<$type> =
            ::std::sync::LazyLock::new(|| <$type>::register());
        $crate::__declared!([$($cfg)*] $name);
        $crate::declare!($($rest)*);
    };
    (@next [$($doc:literal)*] [$($cfg:tt)*]
     $visibility:vis static $name:ident: $type:ty = $metric:literal $($rest:tt)*) => {
        $crate::declare!(@next [$($doc)*] [$($cfg)*]
            $visibility static $name: $type = $crate::Meter::plain(), $metric $($rest)*);
    };
    (@next $docs:tt $cfg:tt
     $visibility:vis static $name:ident: $type:ty = $meter:expr, $metric:literal $($rest:tt)*) => {
        $crate::declare!(@named [$metric] $docs $cfg $visibility static $name: $type = $meter $($rest)*);
    };
    (@next $docs:tt $cfg:tt
     $visibility:vis static $name:ident: $type:ty = $meter:expr
     $(, $option:ident $(= $setting:expr)?)* $(,)?; $($rest:tt)*) => {
        $crate::declare!(@named [::std::stringify!($name).to_lowercase()] $docs $cfg
            $visibility static $name: $type = $meter $(, $option $(= $setting)?)*; $($rest)*);
    };
    (@named [$metric:expr] [$($doc:literal)*] [$($cfg:tt)*]
     $visibility:vis static $name:ident: $type:ty = $meter:expr
     $(, $option:ident $(= $setting:expr)?)* $(,)?; $($rest:tt)*) => {
        $(#[doc = $doc])* $($cfg)*
        $visibility static $name: ::std::sync::LazyLock<$type> = ::std::sync::LazyLock::new(|| {
            $crate::Meter::declared::<$type>(&$meter, $metric)
                .description($crate::__description(::std::concat!($($doc, "\n"),*)))
                $(.$option($($setting)?))*
                .register()
        });
        $crate::__declared!([$($cfg)*] $name);
        $crate::declare!($($rest)*);
    };
    ($($_:tt)*) => {
        ::std::compile_error!(
            "write `static NAME: Counter = Meter::scoped(\"plugin\", \"shop\"), \"orders\", unit = \"{order}\";`, with doc \
             comments and `#[cfg(..)]` as the only attributes, or `static NAME: Metrics;` for a struct that derives `Metrics`"
        );
    };
}

/// Adds a static to the declarations of the program.
#[macro_export]
#[doc(hidden)]
macro_rules! __declared {
    ([$($cfg:tt)*] $name:ident) => {
        $($cfg)*
        const _: () = {
            $crate::__inventory::submit! {
                $crate::__Declaration::new((::std::file!(), ::std::line!(), ::std::column!()), || {
                    ::std::sync::LazyLock::force(&$name);
                })
            }
        };
    };
}

/// One static of [`declare!`](crate::declare).
#[derive(Debug)]
pub struct Declaration {
    /// File, line and column.
    place: (&'static str, u32, u32),
    make: fn(),
}

inventory::collect!(Declaration);

impl Declaration {
    /// Notes a static that `make` initializes.
    pub const fn new(place: (&'static str, u32, u32), make: fn()) -> Self {
        Self { place, make }
    }
}

/// Returns a doc comment in one line, as `derive(Metrics)` does.
pub fn description(docs: &str) -> String {
    docs.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Registry {
    /// Makes all instruments that [`declare!`](crate::declare) declares in this program, if this is the global registry.
    #[doc(hidden)] // for the crates that start a pipeline
    pub fn make_declared(&self) {
        static SORTED: LazyLock<Vec<&Declaration>> = LazyLock::new(|| {
            let mut declarations: Vec<_> = inventory::iter::<Declaration>().collect();
            // The linker's order may change with any build, and of names that clash the first one wins.
            declarations.sort_unstable_by_key(|declaration| declaration.place);
            declarations
        });
        if Arc::ptr_eq(&self.inner, &Self::global().inner) {
            SORTED.iter().for_each(|declaration| (declaration.make)());
        }
    }
}

//! Methods under the names that other libraries use: calling one is a compile error that names our method.
//!
//! `#[doc(alias)]` alone is not enough, because the compiler uses it for suggestions only within the declaring crate.

use super::counter::Counter;
use super::gauge::Gauge;
use super::group::Group;
use super::histogram::Histogram;
use super::up_down_counter::UpDownCounter;
use crate::number::{CounterNumber, GaugeNumber, HistogramNumber, UpDownNumber};
use crate::store::handle::Handle;

/// Declares a trait without implementations, and for each type a method that requires the trait.
macro_rules! renamed {
    ($trait:ident: $message:literal, $label:literal; $($rest:tt)*) => {
        #[diagnostic::on_unimplemented(message = $message, label = $label)]
        pub trait $trait {}
        renamed!($trait $($rest)*);
    };
    ($trait:ident $([$($generics:tt)*] $type:ty: fn $old:ident $parameters:tt $(-> $series:ident $body:block)?;)*) => {$(
        impl<$($generics)*> $type {
            #[doc(hidden)]
            pub fn $old $parameters $(-> $series)?
            where
                Self: $trait,
            {
                $($body)?
            }
        }
    )*};
}

renamed! {
    CalledIncrement: "this method is called `increment` in meterkit", "write `increment()`";
    [T: CounterNumber] Counter<T>: fn inc(&self);
    [T: UpDownNumber] UpDownCounter<T>: fn inc(&self);
    [T: GaugeNumber] Gauge<T>: fn inc(&self);
}

renamed! {
    CalledDecrement: "this method is called `decrement` in meterkit", "write `decrement()`";
    [T: UpDownNumber] UpDownCounter<T>: fn dec(&self);
    [T: GaugeNumber] Gauge<T>: fn dec(&self);
}

renamed! {
    CalledAdd: "this method is called `add` in meterkit", "write `add(..)`";
    [T: CounterNumber] Counter<T>: fn inc_by(&self, _: impl Sized);
    [T: UpDownNumber] UpDownCounter<T>: fn inc_by(&self, _: impl Sized);
    [T: GaugeNumber] Gauge<T>: fn inc_by(&self, _: impl Sized);
}

renamed! {
    CalledRecord: "this method is called `record` in meterkit", "write `record(..)`";
    [T: HistogramNumber] Histogram<T>: fn observe(&self, _: impl Sized);
}

renamed! {
    CalledWith: "this method is called `with` in meterkit, and takes labels by name",
        "write `with(..)` and a value of the labels' type";
    [L, H: Handle] Group<L, H>: fn with_label_values(&self, _: impl Sized) -> H { self.core.plain().clone() };
    [L, H: Handle] Group<L, H>: fn get_or_create(&self, _: impl Sized) -> H { self.core.plain().clone() };
}

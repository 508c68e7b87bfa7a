//! Macros that declare an instrument where it is used.

/// Returns a [`Counter`](crate::Counter) that is declared at the call: `counter!("requests_total").increment()`.
///
/// For code that has no place to keep an instrument in. A hidden static creates the instrument at the first call;
/// further calls cost hardly more than recording. The macro works before `install()`. Like any static
/// ([`register`](crate::InstrumentBuilder::register)), it logs an error and records nothing if the instrument cannot be
/// created, and it keeps the first instrument of a scope that is unloaded.
///
/// ```
/// use meterkit::{Labels, Meter, counter};
///
/// #[derive(Labels)]
/// struct Request<'a> {
///     method: &'a str,
///     status: u16,
/// }
///
/// # let (method, bytes, stage) = ("GET", 17, "parse");
/// counter!("requests_total").increment();
///
/// // In a scope: the first argument is any expression of type `Meter`. Options are methods of the builder.
/// // An option without a value is written without `=`: `zero_initialized`.
/// counter!(Meter::scoped("plugin", "catalog"), "bytes.read", unit = "By").add(bytes);
///
/// // With labels of a declared type, which the compiler checks.
/// counter!("responses_total", Request { method, status: 200 }).increment();
///
/// // With labels by key, for code that migrates from other macros: `DynamicLabels`.
/// counter!("items_total", "stage" => stage, "cached" => false).increment();
///
/// // With a number type other than `u64`.
/// counter!("cpu_seconds_total": f64).add(0.5);
/// ```
///
/// Without a meter, names are used [as they are written](crate::Meter::plain).
#[macro_export]
macro_rules! counter {
    ($($call:tt)*) => { $crate::__call_site!([Counter CounterGroup u64] $($call)*) };
}

/// Returns a [`Gauge`](crate::Gauge) of `i64` that is declared at the call: `gauge!("queue_length").set(queue.len())`.
///
/// Otherwise, it works like [`counter!`](crate::counter).
///
/// ```
/// use meterkit::gauge;
///
/// # let queue = vec![1];
/// gauge!("queue_length").set(queue.len());
/// gauge!("temperature_celsius": f64, "sensor" => "north").set(21.5);
/// ```
#[macro_export]
macro_rules! gauge {
    ($($call:tt)*) => { $crate::__call_site!([Gauge GaugeGroup i64] $($call)*) };
}

/// Returns a [`Histogram`](crate::Histogram) of `f64` that is declared at the call: `histogram!("latency_seconds", unit
/// = "s").record(start.elapsed())`.
///
/// Otherwise, it works like [`counter!`](crate::counter).
///
/// ```
/// use meterkit::histogram;
///
/// # let start = std::time::Instant::now();
/// histogram!("latency_seconds", unit = "s", buckets = [0.1, 1.0, 10.0]).record(start.elapsed());
/// ```
#[macro_export]
macro_rules! histogram {
    ($($call:tt)*) => { $crate::__call_site!([Histogram HistogramGroup f64] $($call)*) };
}

/// The expansion of the instrument macros.
#[macro_export]
#[doc(hidden)]
macro_rules! __call_site {
    ([$($type:tt)*] $name:literal $($rest:tt)*) => {
        $crate::__call_site!(@number [$($type)*] ($crate::Meter::plain()) $name $($rest)*)
    };
    ([$($type:tt)*] $meter:expr, $name:literal $($rest:tt)*) => {
        $crate::__call_site!(@number [$($type)*] ($meter) $name $($rest)*)
    };
    (@number [$one:ident $group:ident $_:tt] $meter:tt $name:literal: $number:ident $($rest:tt)*) => {
        $crate::__call_site!(@labels [$one $group $number] $meter $name $($rest)*)
    };
    (@number $type:tt $meter:tt $name:literal $($rest:tt)*) => {
        $crate::__call_site!(@labels $type $meter $name $($rest)*)
    };
    (@labels [$_:ident $group:ident $number:ident] $meter:tt $name:literal,
     $($labels:ident)::+ { $($fields:tt)* } $($options:tt)*) => {
        $crate::__call_site!(
            @made ($crate::$group<$($labels)::+, $number>) $meter $name $($options)*
        )
        .with($($labels)::+ { $($fields)* })
    };
    (@labels [$_:ident $group:ident $number:ident] $meter:tt $name:literal
     $(, $key:literal => $value:expr)+ $(, $option:ident $(= $setting:expr)?)* $(,)?) => {
        $crate::__call_site!(
            @made ($crate::$group<$crate::DynamicLabels, $number>) $meter $name
            $(, $option $(= $setting)?)*
        )
        .with(&[$(($key, $crate::LabelValue::label(&$value))),+])
    };
    (@labels [$one:ident $_:ident $number:ident] $meter:tt $name:literal $($options:tt)*) => {
        $crate::__call_site!(@made ($crate::$one<$number>) $meter $name $($options)*)
    };
    (@made ($type:ty) ($meter:expr) $name:literal $(, $option:ident $(= $setting:expr)?)* $(,)?) => {{
        static INSTRUMENT: ::std::sync::LazyLock<$type> = ::std::sync::LazyLock::new(|| {
            $crate::Meter::instrument::<$type>(&$meter, $name)$(.$option($($setting)?))*.register()
        });
        &*INSTRUMENT
    }};
    (@made $($_:tt)*) => {
        ::std::compile_error!(
            "expected labels (`Request { method }`, or `\"key\" => value`) or options (`unit = \"s\"`) after the name"
        )
    };
    ($($_:tt)*) => {
        ::std::compile_error!("expected an optional meter, and then the name as a string literal: `counter!(\"requests_total\")`")
    };
}

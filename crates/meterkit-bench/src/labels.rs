//! The measured label sets, written by hand, and the values that fill them.

use std::hint::black_box;

use meterkit_core::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};

/// The keys of [`Request`].
pub const REQUEST_KEYS: [&str; 3] = ["method", "route", "tenant"];

/// Three text labels, one of which is known at run time only.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "labels are written as literals")]
pub struct Request<'a> {
    /// One of [`METHODS`].
    pub method: &'static str,
    /// One of [`ROUTES`].
    pub route: &'static str,
    /// A text that is known at run time only.
    pub tenant: &'a str,
}

impl Labels for Request<'_> {
    type Set = Request<'static>;
    const KEYS: &'static [LabelKey] = &[
        LabelKey::new(REQUEST_KEYS[0]),
        LabelKey::new(REQUEST_KEYS[1]),
        LabelKey::new(REQUEST_KEYS[2]),
    ];

    #[inline]
    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.method));
        visitor.visit(LabelRef::Static(self.route));
        visitor.visit(self.tenant.label());
    }
}

/// Three text labels that are known at compile time.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "labels are written as literals")]
pub struct StaticRequest {
    /// Like [`Request::method`].
    pub method: &'static str,
    /// Like [`Request::route`].
    pub route: &'static str,
    /// One of [`STATIC_TENANTS`].
    pub tenant: &'static str,
}

impl Labels for StaticRequest {
    type Set = Self;
    const KEYS: &'static [LabelKey] = Request::KEYS;

    #[inline]
    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.method));
        visitor.visit(LabelRef::Static(self.route));
        visitor.visit(LabelRef::Static(self.tenant));
    }
}

/// Three text labels that are known at run time only.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "labels are written as literals")]
pub struct Strings<'a> {
    /// Like [`Request::method`].
    pub method: &'a str,
    /// Like [`Request::route`].
    pub route: &'a str,
    /// Like [`Request::tenant`].
    pub tenant: &'a str,
}

impl<'a> Strings<'a> {
    /// Borrows three strings.
    pub fn of([method, route, tenant]: &'a [String; 3]) -> Self {
        Self { method, route, tenant }
    }
}

impl Labels for Strings<'_> {
    type Set = Strings<'static>;
    const KEYS: &'static [LabelKey] = Request::KEYS;

    #[inline]
    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.method.label());
        visitor.visit(self.route.label());
        visitor.visit(self.tenant.label());
    }
}

/// Returns the texts of [`REQUEST`] as strings created at run time.
pub fn strings() -> [String; 3] {
    [REQUEST.method, REQUEST.route, REQUEST.tenant].map(str::to_owned)
}

/// Calls `record` with strings that are allocated for the call. Strings of earlier calls are kept for a while, so that
/// addresses change from call to call.
pub fn with_fresh_strings(mut record: impl FnMut(&[String; 3])) -> impl FnMut() {
    let mut recent: [[String; 3]; 256] = std::array::from_fn(|_| strings());
    let mut at = 0;
    move || {
        at = (at + 1) % recent.len();
        recent[at] = black_box(strings());
        record(&recent[at]);
    }
}

/// All values of [`Request::method`], for libraries that need to know them at startup.
pub const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// All values of [`Request::route`].
pub const ROUTES: [&str; 8] = [
    "/catalog/entities",
    "/catalog/entities/by-name",
    "/catalog/entity-facets",
    "/catalog/locations",
    "/catalog/refresh",
    "/search/query",
    "/techdocs/sync",
    "/techdocs/static/docs",
];

/// The label values in most comparisons.
pub const REQUEST: Request<'static> =
    Request { method: METHODS[1], route: ROUTES[0], tenant: "north-europe" };

/// Calls `record` with `series` label sets, each with a different tenant, which is dropped after the call.
pub fn for_each_series(series: usize, mut record: impl FnMut(Request<'_>)) {
    for n in 0..series {
        record(request(n, &tenant(n)));
    }
}

/// Returns the tenants of `series` label sets, for callbacks that read them from memory.
pub fn tenants(series: usize) -> Vec<String> {
    (0..series).map(tenant).collect()
}

/// Returns the label set with this number.
pub fn request(n: usize, tenant: &str) -> Request<'_> {
    let (method, route) = (METHODS[n % METHODS.len()], ROUTES[n / METHODS.len() % ROUTES.len()]);
    Request { method, route, tenant }
}

fn tenant(n: usize) -> String {
    format!("tenant-{n}")
}

/// Returns sixteen label sets, for comparisons that use them in turns.
pub fn requests() -> [Request<'static>; 16] {
    const TENANTS: [&str; 4] = ["north-europe", "west-us", "asia", "internal"];
    std::array::from_fn(|n| Request { method: METHODS[n % 4], tenant: TENANTS[n / 4], ..REQUEST })
}

/// The tenants of [`static_requests`].
pub const STATIC_TENANTS: [&str; 2] = ["north-europe", "west-us"];

/// Returns a source of 64 label sets of `&'static str`, in an order that is hard to predict.
pub fn static_requests() -> impl FnMut() -> Request<'static> {
    let set = |n: usize| Request { tenant: STATIC_TENANTS[n / 32], ..request(n, "") };
    let sets: [_; 64] = std::array::from_fn(set);
    let mut state = 1_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sets[(state >> 26) as usize]
    }
}

/// Returns a source of histogram values that are spread over the buckets, so that no branch is always the same.
pub fn durations() -> impl FnMut() -> f64 {
    let mut state = 0x9E37_79B9_u32;
    let values: [f64; 64] = std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.001 * 1.2_f64.powi((state >> 26) as i32)
    });
    let mut at = 0;
    move || {
        at = (at + 1) % values.len();
        values[at]
    }
}

/// Bucket bounds in seconds, the same for every library.
pub const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

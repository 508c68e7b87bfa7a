//! Label sets, open and closed, for tests of groups.

use meterkit_core::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};

/// An open set: any text.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'a>(pub &'a str);

impl Labels for Tenant<'_> {
    type Set = Tenant<'static>;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("tenant")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// An open set: any number.
#[derive(Clone, Copy, Debug)]
pub struct Id(pub u64);

impl Labels for Id {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("id")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// An open set: any route.
#[derive(Debug)]
pub struct Route(pub &'static str);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("route")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// A label value with three variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Color {
    Red,
    Green,
    Blue,
}

impl LabelValue for Color {
    const CARDINALITY: Option<usize> = Some(3);

    fn label(&self) -> LabelRef<'_> {
        Self::nth(*self as usize)
    }

    fn index(&self) -> usize {
        *self as usize
    }

    fn nth(index: usize) -> LabelRef<'static> {
        LabelRef::Static(["red", "green", "blue"][index])
    }
}

/// A closed set that is looked up by its index, like the output of `derive(Labels)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Light {
    pub color: Color,
    pub is_on: bool,
    pub is_dimmed: Option<bool>,
}

impl Light {
    /// The number of different sets.
    pub const SETS: usize = 18;

    /// Returns all sets.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for color in [Color::Red, Color::Green, Color::Blue] {
            for is_on in [false, true] {
                for is_dimmed in [None, Some(false), Some(true)] {
                    all.push(Self { color, is_on, is_dimmed });
                }
            }
        }
        all
    }

    /// Returns the set as [`labels`](crate::readings::labels) writes it.
    pub fn text(&self) -> String {
        let LabelRef::Static(color) = self.color.label() else { panic!("a static text") };
        let dimmed = self.is_dimmed.map_or(String::new(), |it| format!(",is_dimmed={it}"));
        format!("color={color}{dimmed},is_on={}", self.is_on)
    }
}

impl Labels for Light {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[
        LabelKey::of::<Color>("color"),
        LabelKey::of::<bool>("is_on"),
        LabelKey::of::<Option<bool>>("is_dimmed"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.color.label());
        visitor.visit(self.is_on.label());
        visitor.visit(self.is_dimmed.label());
    }

    fn index(&self) -> Option<usize> {
        Some((self.color.index() * 2 + self.is_on.index()) * 3 + self.is_dimmed.index())
    }
}

/// A closed set with two values.
#[derive(Clone, Copy, Debug)]
pub struct Success(pub bool);

impl Labels for Success {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::of::<bool>("success")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }

    fn index(&self) -> Option<usize> {
        Some(self.0.index())
    }
}

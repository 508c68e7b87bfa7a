//! The result of looking up a series.

use std::fmt;
use std::ops::Deref;

use super::handle::Handle;

/// A series of a group, found by its labels. Use it like the instrument itself. To keep a handle, clone the instrument
/// behind it: `group.with(labels).clone()`.
#[must_use = "a series does nothing until it is used"]
pub struct Entry<'a, H: Handle>(Found<'a, H>);

enum Found<'a, H> {
    /// The series exists as long as the group.
    Kept(&'a H),
    /// The series may be removed from the group, but not while this handle exists.
    Shared(H),
}

impl<'a, H: Handle> Entry<'a, H> {
    #[inline]
    pub(crate) fn kept(handle: &'a H) -> Self {
        Self(Found::Kept(handle))
    }

    /// Returns the handle if its series exists as long as the group.
    pub(crate) fn as_kept(&self) -> Option<&H> {
        match &self.0 {
            Found::Kept(handle) => Some(handle),
            Found::Shared(_) => None,
        }
    }

    pub(crate) fn shared(handle: H) -> Self {
        Self(Found::Shared(handle))
    }
}

impl<H: Handle> Deref for Entry<'_, H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        match &self.0 {
            Found::Kept(handle) => handle,
            Found::Shared(handle) => handle,
        }
    }
}

impl<H: Handle + fmt::Debug> fmt::Debug for Entry<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

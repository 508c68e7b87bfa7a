//! The operating system.

use super::{Attribute, attribute};

pub(super) fn detect() -> Vec<Attribute> {
    kind(std::env::consts::OS).map(|kind| attribute("os.type", kind)).into_iter().collect()
}

/// Returns the name of the operating system in the semantic conventions; `None` if they do not define one.
fn kind(rust: &str) -> Option<&'static str> {
    Some(match rust {
        "aix" => "aix",
        "dragonfly" => "dragonflybsd",
        "freebsd" => "freebsd",
        "hpux" => "hpux",
        "illumos" | "solaris" => "solaris",
        "ios" | "macos" => "darwin",
        "android" | "linux" => "linux",
        "netbsd" => "netbsd",
        "openbsd" => "openbsd",
        "windows" => "windows",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_have_the_names_of_the_conventions() {
        for (rust, expected) in [
            ("linux", Some("linux")),
            ("macos", Some("darwin")),
            ("windows", Some("windows")),
            ("dragonfly", Some("dragonflybsd")),
            ("wasi", None),
        ] {
            assert_eq!(kind(rust), expected, "{rust}");
        }
    }
}

//! The host: its name and its processor.

use super::surroundings::Surroundings;
use super::{Attribute, attribute};

pub(super) fn detect(around: &Surroundings<'_>) -> Vec<Attribute> {
    let name = name(around).map(|name| attribute("host.name", name));
    name.into_iter().chain([attribute("host.arch", architecture(std::env::consts::ARCH))]).collect()
}

#[cfg(target_os = "linux")]
fn name(_: &Surroundings<'_>) -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn name(_: &Surroundings<'_>) -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(unix))]
fn name(around: &Surroundings<'_>) -> Option<String> {
    around.variable("COMPUTERNAME")
}

/// Returns the name of the architecture in the semantic conventions, or Rust's name if they do not define one.
fn architecture(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_the_names_of_the_conventions() {
        for (rust, expected) in [
            ("x86_64", "amd64"),
            ("x86", "x86"),
            ("aarch64", "arm64"),
            ("arm", "arm32"),
            ("powerpc64", "ppc64"),
            ("s390x", "s390x"),
            ("riscv64", "riscv64"),
        ] {
            assert_eq!(architecture(rust), expected);
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_name_is_the_one_that_the_kernel_has() {
        let kernel = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let detected = detect(&Surroundings::real());
        assert_eq!(detected[0], attribute("host.name", kernel));
        assert_eq!(detected[1].0, "host.arch");
    }
}

//! The process. Arguments and paths are left out, because they may contain secrets; the runtime is left out, because
//! Rust has none.

use super::{Attribute, attribute};

pub(super) fn detect() -> Vec<Attribute> {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name());
    let name =
        name.map(|it| attribute("process.executable.name", it.to_string_lossy().into_owned()));
    name.into_iter().chain([attribute("process.pid", i64::from(std::process::id()))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_this_process() {
        let detected = detect();
        assert_eq!(detected[1], attribute("process.pid", i64::from(std::process::id())));
        let program = std::env::current_exe().expect("tests run from a file");
        let name = program.file_name().expect("a file").to_string_lossy().into_owned();
        assert_eq!(detected[0], attribute("process.executable.name", name));
    }
}

//! Overlays of `examples/deploy/kubernetes`, as kubectl renders them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::deploy::{self, run};

/// What an overlay is rendered to, until this is dropped.
#[derive(Debug)]
pub struct Rendered {
    /// A file with all objects.
    pub file: PathBuf,
    _directory: TempDir,
}

/// Renders an overlay of a copy of `examples/deploy`, or returns what kubectl says against it.
///
/// # Panics
///
/// No temporary folder can be made.
pub fn render(kubectl: &Path, folder: &Path, overlay: &str) -> Result<Rendered, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("rendered.yaml");
    let mut command = Command::new(kubectl);
    // Nothing of this machine's user, who may have a cluster.
    command.env_clear().arg("kustomize").arg(folder.join("kubernetes").join(overlay));
    let (is_valid, said) = run(command.arg("--output").arg(&file));
    // A warning counts too.
    if is_valid && said.is_empty() {
        Ok(Rendered { file, _directory: directory })
    } else {
        Err(said)
    }
}

/// Renders an overlay of `examples/deploy`.
///
/// # Panics
///
/// kubectl refuses it, or warns.
pub fn rendered(kubectl: &Path, overlay: &str) -> Rendered {
    render(kubectl, &deploy::path(""), overlay).unwrap_or_else(|said| panic!("{overlay}: {said}"))
}

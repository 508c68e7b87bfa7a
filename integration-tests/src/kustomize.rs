//! Overlays of `examples/deploy/kubernetes`, as rendered by kubectl.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::deploy::{self, run};

/// A rendered overlay. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Rendered {
    /// The file with all objects.
    pub file: PathBuf,
    _directory: TempDir,
}

/// Renders an overlay of a copy of `examples/deploy`.
///
/// # Errors
///
/// Returns kubectl's output if it prints an error or a warning.
///
/// # Panics
///
/// Panics if no temporary folder can be created.
pub fn render(kubectl: &Path, folder: &Path, overlay: &str) -> Result<Rendered, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("rendered.yaml");
    let mut command = Command::new(kubectl);
    // An empty environment: kubectl must not use the settings of a user who may have a cluster.
    command.env_clear().arg("kustomize").arg(folder.join("kubernetes").join(overlay));
    let (is_valid, said) = run(command.arg("--output").arg(&file));
    // A warning is an error, too.
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
/// Panics if kubectl prints an error or a warning.
pub fn rendered(kubectl: &Path, overlay: &str) -> Rendered {
    render(kubectl, &deploy::path(""), overlay).unwrap_or_else(|said| panic!("{overlay}: {said}"))
}

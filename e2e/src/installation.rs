//! Where the programs and modules are that the tests drive: where `make` puts them, unless the environment says otherwise.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace");
    root.to_owned()
}

/// Where the modules are: the folder `ACPW_MODULES`, else the root of the workspace.
pub fn modules() -> PathBuf {
    env::var_os("ACPW_MODULES").map_or_else(root, PathBuf::from)
}

/// Where modules are that trap when they are asked to: the sender by a request for `/trap-the-sender`, the receiver by a
/// record of a request for `/trap-the-receiver`.
pub fn trap_modules() -> PathBuf {
    root().join("target/trap")
}

/// A module of a folder, such as `sender.wasm`.
///
/// # Panics
/// When it is not there.
pub fn module(folder: &Path, name: &str) -> PathBuf {
    present(
        folder.join(name),
        "Run `make test`, or `make build-all` and set ACPW_MODULES to the folder with the modules",
    )
}

/// Envoy: `ENVOY`, else the one of the workspace's virtual environment.
///
/// # Panics
/// When it is not there.
pub fn envoy() -> PathBuf {
    present(program("ENVOY", "envoy"), "Run `make test`, which installs it, or set ENVOY to an Envoy")
}

/// A Python with boto3: `PYTHON`, else the one of the workspace's virtual environment.
///
/// # Panics
/// When it is not there.
pub fn python() -> PathBuf {
    present(program("PYTHON", "python"), "Run `make test`, which installs it, or set PYTHON to a Python with boto3")
}

/// Chromium: `CHROMIUM`, else the one of the system.
///
/// # Panics
/// When it is not there.
pub fn chromium() -> PathBuf {
    let path = env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    present(path, "Install Chromium, or set CHROMIUM to one")
}

/// Prometheus' exporter for machines: `NODE_EXPORTER`, else the one of Debian's prometheus-node-exporter.
///
/// # Panics
/// When it is not there.
pub fn node_exporter() -> PathBuf {
    let debian = || PathBuf::from("/usr/bin/prometheus-node-exporter");
    let path = env::var_os("NODE_EXPORTER").map_or_else(debian, PathBuf::from);
    present(path, "Install prometheus-node-exporter, or set NODE_EXPORTER to one")
}

/// The AWS CLI, beside Python.
///
/// # Panics
/// When it is not there.
pub fn aws() -> PathBuf {
    present(
        python().with_file_name("aws"),
        "Run `make test`, which installs it, or set PYTHON to one with awscli beside",
    )
}

fn program(variable: &str, name: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| root().join(".venv/bin").join(name), PathBuf::from)
}

fn present(path: PathBuf, what_to_do: &str) -> PathBuf {
    assert!(path.is_file(), "These tests need {}, which is not there. {what_to_do}.", path.display());
    path
}

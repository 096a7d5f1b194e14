//! Paths of the programs and modules that the tests use. `make` installs them; environment variables override the
//! paths.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Returns the root of the workspace.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    root.to_owned()
}

/// Returns the folder of the modules: `ACPW_MODULES`, or the root of the workspace.
pub fn modules() -> PathBuf {
    env::var_os("ACPW_MODULES").map_or_else(root, PathBuf::from)
}

/// Returns the folder of modules that can be made to trap: the sender traps on a request for `/trap-the-sender`, the
/// receiver on a record of a request for `/trap-the-receiver`.
pub fn trap_modules() -> PathBuf {
    root().join("target/trap")
}

/// Returns the path of a module in a folder, such as `sender.wasm`.
///
/// # Panics
/// Panics if the file does not exist.
pub fn module(folder: &Path, name: &str) -> PathBuf {
    existing(
        folder.join(name),
        "run `make test`, or run `make build-all` and set ACPW_MODULES to the folder with the modules",
    )
}

/// Returns the path of Envoy: `ENVOY`, or the Envoy in the workspace's virtual environment.
///
/// # Panics
/// Panics if the file does not exist.
pub fn envoy() -> PathBuf {
    existing(program("ENVOY", "envoy"), "run `make test`, which installs Envoy, or set ENVOY")
}

/// Returns the path of a Python with boto3: `PYTHON`, or the Python in the workspace's virtual environment.
///
/// # Panics
/// Panics if the file does not exist.
pub fn python() -> PathBuf {
    existing(program("PYTHON", "python"), "run `make test`, which installs it, or set PYTHON to a Python with boto3")
}

/// Returns the path of Chromium: `CHROMIUM`, or `/usr/bin/chromium`.
///
/// # Panics
/// Panics if the file does not exist.
pub fn chromium() -> PathBuf {
    let path = env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    existing(path, "install Chromium, or set CHROMIUM")
}

/// Returns the path of Prometheus' node exporter: `NODE_EXPORTER`, or the path of Debian's package.
///
/// # Panics
/// Panics if the file does not exist.
pub fn node_exporter() -> PathBuf {
    let debian = || PathBuf::from("/usr/bin/prometheus-node-exporter");
    let path = env::var_os("NODE_EXPORTER").map_or_else(debian, PathBuf::from);
    existing(path, "install prometheus-node-exporter, or set NODE_EXPORTER")
}

/// Returns the path of the AWS CLI, which is in the same folder as Python.
///
/// # Panics
/// Panics if the file does not exist.
pub fn aws() -> PathBuf {
    existing(python().with_file_name("aws"), "run `make test`, which installs it, or install awscli next to PYTHON")
}

fn program(variable: &str, name: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| root().join(".venv/bin").join(name), PathBuf::from)
}

fn existing(path: PathBuf, advice: &str) -> PathBuf {
    assert!(path.is_file(), "this test needs {}, which does not exist; {advice}", path.display());
    path
}

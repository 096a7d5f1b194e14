//! Builds modules with cargo.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    check, link,
    module::Module,
    release::{self, Release},
};

const TARGET: &str = "wasm32-wasip1";

/// Builds a module, checks it, and copies it to the root of the workspace.
///
/// With `trap`, builds a module that traps when a test requests it, and copies it to `target/trap` without a check.
///
/// # Errors
/// Returns an error if cargo or rustc fail, or if the module does not pass the check.
pub(crate) fn build(module: &Module, trap: bool) -> Result<(), String> {
    let target = target_folder().join(if trap { "trap" } else { "modules" });
    let this = env::current_exe().map_err(|error| format!("cannot read the path of this program: {error}"))?;
    let exports: Vec<&str> = module.exports().collect();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root())
        .args(["build", "--quiet", "--target", TARGET, "--profile", module.profile])
        .args(["--package", &format!("acpw-{}", module.name)])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_TARGET_WASM32_WASIP1_LINKER", this)
        .env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", format!("{} {}", remapped_paths(), module.rustflags))
        .env(release::COMMIT, Release::of(&root()).commit)
        .env(link::EXPORTS, exports.join(","))
        .env(link::LINKER, rust_lld()?);
    if trap {
        cargo.args(["--features", &format!("acpw-{}/trap", module.name)]);
    }
    let status = cargo.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("cargo could not build {}", module.name));
    }
    let built = target.join(TARGET).join(module.profile).join(file(module));
    if trap {
        return copy(&built, &target.join(file(module)));
    }
    println!("{}", check::check(module, &built)?);
    copy(&built, &shipped(module))
}

/// Returns the path of a module in the root of the workspace.
pub(crate) fn shipped(module: &Module) -> PathBuf {
    root().join(file(module))
}

fn file(module: &Module) -> String {
    format!("{}.wasm", module.name)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    // `fs::copy` would also copy the permissions, and cargo makes the file executable.
    let bytes = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    fs::write(to, bytes).map_err(|error| format!("{}: {error}", to.display()))
}

/// Returns the root of the workspace.
pub(crate) fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().unwrap_or(folder).to_owned()
}

/// Returns cargo's folder for what it builds.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Returns flags that replace local paths in panic messages, so that the module does not depend on the machine.
fn remapped_paths() -> String {
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or(home).unwrap_or_default();
    let registry = cargo_home.join("registry/src");
    format!("--remap-path-prefix={}=registry --remap-path-prefix={}=acpw", registry.display(), root().display())
}

/// Returns the path of the Wasm linker in rustc's toolchain.
fn rust_lld() -> Result<PathBuf, String> {
    let (sysroot, host) = (rustc(&["--print", "sysroot"])?, rustc(&["--print", "host-tuple"])?);
    Ok(Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld"))
}

fn rustc(arguments: &[&str]) -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(arguments).output().map_err(|error| format!("cannot run rustc: {error}"))?;
    if !output.status.success() {
        return Err(format!("`rustc {}` failed", arguments.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

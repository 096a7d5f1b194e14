//! `cargo xtask`: development tasks that need more than cargo.

mod build;
mod check;
mod image;
mod language;
mod link;
mod module;
mod release;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    module::{MODULES, Module},
    release::Release,
};

/// Builds and checks the modules that Envoy loads, makes images of them, and checks the language of the project.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build modules and copy them to the root of the workspace
    Build {
        /// Modules to build (sender, receiver, gateway) [default: all]
        modules: Vec<String>,
        /// Build modules for tests that trap on request, and copy them to target/trap
        #[arg(long)]
        trap: bool,
    },
    /// Check the modules in the root of the workspace: size, exports and imports
    Check {
        /// Modules to check (sender, receiver, gateway) [default: all]
        modules: Vec<String>,
    },
    /// Write images of the modules in the root of the workspace into target/images, as OCI layouts
    Images {
        /// Folder to write into, in place of target/images
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Check comments, names, messages and documents against the language guide in CONTRIBUTING.md
    Language,
}

fn main() -> ExitCode {
    // rustc runs this program as its linker while `build` runs.
    if let Some(link) = link::Link::from_environment() {
        return link.run(std::env::args_os().skip(1));
    }
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), String> {
    match command {
        Command::Build { modules, trap } => {
            for module in named(modules)? {
                build::build(module, *trap)?;
            }
        }
        Command::Check { modules } => {
            for module in named(modules)? {
                println!("{}", check::check(module, &build::shipped(module))?);
            }
        }
        Command::Images { out } => {
            let folder = out.clone().unwrap_or_else(|| build::target_folder().join("images"));
            for image in image::build(build::shipped, &folder, &Release::of(&build::root()))? {
                println!("{:26} {}", image.name, image.digest);
            }
        }
        Command::Language => println!("{}", language::check(&build::root())?),
    }
    Ok(())
}

/// Returns the modules with these names, or all modules if there are no names.
fn named(names: &[String]) -> Result<Vec<&'static Module>, String> {
    if names.is_empty() {
        return Ok(MODULES.iter().collect());
    }
    let find = |name: &String| MODULES.iter().find(|module| module.name == name);
    names
        .iter()
        .map(|name| {
            find(name).ok_or_else(|| format!("unknown module {name}; known modules are sender, receiver and gateway"))
        })
        .collect()
}

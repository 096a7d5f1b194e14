//! What the modules cost, measured on a real Envoy.
mod bootstrap;
mod cpu;
mod envoy;
mod load;
mod request;
mod variant;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CPU per request, by variants.
    Request(request::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Request(options) => request::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

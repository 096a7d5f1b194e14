//! What the modules cost, measured on a real Envoy. `make bench` builds what it needs and runs it.

mod bootstrap;
mod chart;
mod cloudwatch;
mod cpu;
mod document;
mod envoy;
mod floor;
mod footprint;
mod instructions;
mod load;
mod receiver;
mod request;
mod results;
mod statistics;
mod table;
mod target;
mod trace;
mod variant;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CPU per request, by variants
    Request(request::Options),
    /// What the receiver does on the main thread
    Receiver(receiver::Options),
    /// Memory, and calls of CloudWatch
    Footprint,
    /// Instructions of the pure hot path, against the stored ones
    Instructions(instructions::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Request(options) => request::run(&options),
        Command::Receiver(options) => receiver::run(&options),
        Command::Footprint => footprint::run(),
        Command::Instructions(options) => instructions::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

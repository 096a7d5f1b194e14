//! Measures the cost of the modules on a real Envoy. `make bench` builds everything and runs this program.

mod bootstrap;
mod callgrind;
mod chart;
mod cloudwatch;
mod collector;
mod count;
mod cpu;
mod document;
mod envoy;
mod floor;
mod footprint;
mod h2load;
mod instructions;
mod load;
mod peers;
mod receiver;
mod request;
mod results;
mod rival;
mod row;
mod scale;
mod soak;
mod statistics;
mod table;
mod target;
mod trace;
mod traffic;
mod upstream;
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
    /// Measure the CPU time per request of each variant
    Request(request::Options),
    /// Count the instructions per request of each variant
    Count(count::Options),
    /// Measure the receiver's work on Envoy's main thread
    Receiver(receiver::Options),
    /// Measure memory and the number of CloudWatch calls
    Footprint,
    /// Measure growth: series, workers, scraped series and posts
    Scale(scale::Options),
    /// Draw the samples of the long load, which `make soak` has written
    Soak(soak::Options),
    /// Count the instructions of the hot paths and compare them with the stored counts
    Instructions(instructions::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Request(options) => request::run(&options),
        Command::Count(options) => count::run(&options),
        Command::Receiver(options) => receiver::run(&options),
        Command::Footprint => footprint::run(),
        Command::Scale(options) => scale::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Instructions(options) => instructions::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

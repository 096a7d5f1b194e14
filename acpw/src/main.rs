//! `acpw`: the program for operators.

use std::process::ExitCode;

use acpw::{alarms, check, completions, cost, dashboard, explain, iam, schema, status};
use clap::{CommandFactory, Parser, Subcommand};

/// Checks configurations of ACPW before Envoy loads them, and writes dashboards, alarms and policies for them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Arguments),
    Explain(explain::Arguments),
    Cost(cost::Arguments),
    Dashboard(dashboard::Arguments),
    Alarms(alarms::Arguments),
    Schema(schema::Arguments),
    Iam(iam::Arguments),
    Status(status::Arguments),
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    let out = &mut std::io::stdout().lock();
    let result = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments, out),
        Command::Explain(arguments) => explain::run(&arguments, out),
        Command::Cost(arguments) => cost::run(&arguments, out),
        Command::Dashboard(arguments) => dashboard::run(&arguments, out),
        Command::Alarms(arguments) => alarms::run(&arguments, out),
        Command::Schema(arguments) => schema::run(&arguments, out),
        Command::Iam(arguments) => iam::run(&arguments, out),
        Command::Status(arguments) => status::run(&arguments, out),
        Command::Completions(arguments) => completions::run(&arguments, &mut Arguments::command(), out),
    };
    result.unwrap_or_else(|message| {
        eprintln!("acpw: {message}");
        ExitCode::from(2)
    })
}

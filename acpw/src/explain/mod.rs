//! `acpw explain`: sends a request through the senders and the receiver of a configuration, without Envoy, and shows
//! what they make of it.

mod measured;
mod published;
mod request;

use std::{fmt::Write as _, io::Write, process::ExitCode};

use serde_json::{Value, json};

use self::{
    measured::{Measured, Series, SkippedSet, measure},
    published::{Published, Service, publish},
    request::RequestArguments,
};
use crate::{
    deployment::{Deployment, FileArguments, Module},
    output,
    plugin::Attachment,
};

/// Show the series that a request counts in, and what is sent to CloudWatch or an OTLP endpoint
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: FileArguments,
    #[command(flatten)]
    request: RequestArguments,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// A sender, what it measured, and what its receiver publishes.
struct Explained<'d> {
    sender: &'d Module<sender::SenderConfig>,
    measured: Measured,
    /// The receiver with what it publishes, if the files have it.
    receiver: Option<(&'d Module<receiver::ReceiverConfig>, Vec<Published>)>,
}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the files cannot be read, have errors or no sender.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let deployment = arguments.input.read()?;
    if deployment.senders.is_empty() {
        return Err("the files attach no sender, which is the module that measures requests".to_owned());
    }
    let explained = deployment.senders.iter().map(|sender| explain(sender, &deployment, &arguments.request));
    let explained = explained.collect::<Result<Vec<_>, String>>()?;
    if arguments.json {
        let senders: Vec<Value> = explained.iter().map(json).collect();
        output::write_json(&json!({ "request": arguments.request.summary(), "senders": senders }), out)?;
    } else {
        let mut text = format!("{}\n", arguments.request.summary());
        for explained in &explained {
            text.push('\n');
            text.push_str(&describe(explained));
        }
        output::write_text(&text, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain<'d>(
    sender: &'d Module<sender::SenderConfig>,
    deployment: &'d Deployment,
    request: &RequestArguments,
) -> Result<Explained<'d>, String> {
    let measured = measure(&sender.config, sender.attachment, request);
    // A receiver in the same file comes first: several complete configurations may use one vm_id.
    let mut receivers: Vec<_> =
        deployment.receivers.iter().filter(|receiver| receiver.vm_id == sender.config.receiver_vm_id).collect();
    receivers.sort_by_key(|receiver| receiver.file != sender.file);
    let receiver = match receivers.first() {
        Some(receiver) if measured.series.is_empty() => Some((*receiver, Vec::new())),
        Some(receiver) => Some((*receiver, publish(&receiver.config, &measured.records)?)),
        None => None,
    };
    Ok(Explained { sender, measured, receiver })
}

/// Describes the result for a person.
fn describe(explained: &Explained<'_>) -> String {
    let Explained { sender, measured, receiver } = explained;
    let mut text = String::new();
    let written = write_sender(&mut text, sender, measured).and_then(|()| match receiver {
        Some((receiver, published)) => {
            published.iter().try_for_each(|published| write_receiver(&mut text, receiver, published))
        }
        None => {
            let id = &sender.config.receiver_vm_id;
            writeln!(text, "\nThe files have no receiver with the vm_id \"{id}\", which would publish this.")
        }
    });
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
    text
}

fn write_sender(text: &mut String, sender: &Module<sender::SenderConfig>, measured: &Measured) -> std::fmt::Result {
    write!(text, "The sender in {}:{} ", sender.file.display(), sender.line)?;
    if !measured.is_observed {
        return writeln!(text, "does not count this request: its host does not match match_hosts.");
    }
    match measured.series.len() {
        0 => writeln!(text, "counts this request in no series.")?,
        1 => writeln!(text, "counts this request in one series:\n")?,
        number => writeln!(text, "counts this request in {number} series:\n")?,
    }
    for Series { metric, unit, dimensions, value, is_gauge } in &measured.series {
        let dimensions: Vec<_> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let most = if *is_gauge { "at most " } else { "" };
        writeln!(text, "  {metric} {{{}}}  {most}{} {unit}", dimensions.join(", "), rounded(*value))?;
    }
    for SkippedSet { dimensions, without_value } in &measured.skipped {
        let (set, missing) = (dimensions.join(", "), without_value.join(" and "));
        writeln!(text, "\nThe set [{set}] does not count it: there is no value and no default for {missing}.")?;
    }
    if sender.attachment != Attachment::HttpFilter && sender.config.metrics.list.iter().any(is_in_progress) {
        writeln!(text, "\nAs an access logger, the sender does not see requests in progress.")?;
    }
    Ok(())
}

fn is_in_progress((metric, _): &(sender::builtin_metric::BuiltinMetric, acpw_metric::Metric)) -> bool {
    metric.merge_rule() == acpw_metric::MergeRule::GaugeShares
}

fn write_receiver(
    text: &mut String,
    receiver: &Module<receiver::ReceiverConfig>,
    published: &Published,
) -> std::fmt::Result {
    let Published { host, service, seconds, body, bytes } = published;
    let position = format!("{}:{}", receiver.file.display(), receiver.line);
    write!(text, "\nThe receiver in {position} sends it to {host} after {seconds} s, in {bytes} bytes")?;
    match service {
        Service::PutMetricData => writeln!(
            text,
            ":\n\nPOST / HTTP/1.1\nhost: {host}\nx-amz-target: GraniteServiceVersion20100801.PutMetricData\n"
        )?,
        Service::Otlp(path) => writeln!(
            text,
            " of protobuf, shown in JSON:\n\nPOST {path} HTTP/1.1\nhost: {host}\ncontent-type: application/x-protobuf\n"
        )?,
    }
    writeln!(text, "{}", output::pretty(body))
}

/// Returns a number without more digits than a person needs.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn json(explained: &Explained<'_>) -> Value {
    let Explained { sender, measured, receiver } = explained;
    let series: Vec<Value> = measured.series.iter().map(Series::json).collect();
    let receiver = receiver.as_ref().map(|(receiver, published)| {
        let requests: Vec<Value> = published
            .iter()
            .map(|Published { host, service, seconds, body, .. }| {
                let path = match service {
                    Service::PutMetricData => "/",
                    Service::Otlp(path) => path,
                };
                json!({ "host": host, "path": path, "seconds": seconds, "body": body })
            })
            .collect();
        json!({ "file": receiver.file.display().to_string(), "line": receiver.line, "requests": requests })
    });
    json!({
        "file": sender.file.display().to_string(),
        "line": sender.line,
        "is_observed": measured.is_observed,
        "series": series,
        "skipped_dimension_sets": measured.skipped,
        "receiver": receiver,
    })
}

//! `acpw alarms`.

use std::{io::Write, process::ExitCode};

use serde_json::{Value, json};

use crate::{
    alarm::Alarm,
    input::{self, Input},
    publication::{Publication, PublishedSet, Source, describe},
    scaling::{self, Scaling},
    template::{self, Format, Resource},
};

/// Write CloudWatch alarms on what a configuration publishes, and scaling policies for ECS
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// The format: inputs of AWS's API by operation, a CloudFormation template, or Terraform's JSON syntax
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The value of a dimension that requests or the environment decide, which an alarm has to name
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    dimension: Vec<(String, String)>,
    /// The ARN to notify, such as that of an SNS topic
    #[arg(long, value_name = "ARN")]
    action: Vec<String>,
    #[command(flatten)]
    thresholds: Thresholds,
    /// Also write scaling policies for the ECS service whose task `ecs_task` reads
    #[arg(long, value_enum)]
    scaling: Option<Scaling>,
    #[command(flatten)]
    capacity: scaling::Capacity,
}

/// Thresholds of alarms.
#[derive(Clone, Debug, clap::Args)]
pub struct Thresholds {
    /// Errors in percent of requests from which 5XXError and GrpcError alarm
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT", value_parser = positive)]
    error_rate: f64,
    /// Milliseconds of p99 above which Latency alarms
    #[arg(long, default_value_t = 1000.0, value_name = "MILLISECONDS", value_parser = positive)]
    p99: f64,
    /// Minutes without data after which an alarm is raised
    #[arg(long, default_value_t = 5, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440))]
    no_data: u64,
    /// Percent of buffer_limit_bytes from which held data alarms
    #[arg(long, default_value_t = 50.0, value_name = "PERCENT", value_parser = positive)]
    held: f64,
    /// Dropped values in a period above which an alarm is raised
    #[arg(long, default_value_t = 0.0, value_name = "VALUES", value_parser = not_negative)]
    dropped: f64,
    /// Seconds since CloudWatch last accepted data above which an alarm is raised; default: five publish intervals, at
    /// least 300
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    since_success: Option<f64>,
}

/// Parses a number that is greater than zero.
fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be greater than 0".to_owned()) }
}

/// Parses a number that is not less than zero.
fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err("must be at least 0".to_owned()) }
}

/// Parses `NAME=VALUE`.
///
/// # Errors
/// Returns a message if the name or the value is missing.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let mut publication = arguments.input.publication()?;
    let (resources, notes) = resources(&mut publication, arguments)?;
    if resources.is_empty() {
        input::write_notes(&notes);
        eprintln!("acpw: no alarm can be written for this configuration");
        return Ok(ExitCode::from(1));
    }
    input::write_document(&template::document(arguments.format, &resources), &notes, arguments.input.json, out)
}

/// Returns the alarms and policies for a publication, and remarks about what has none.
fn resources(publication: &mut Publication, arguments: &Arguments) -> Result<(Vec<Resource>, Vec<String>), String> {
    let unused = publication.set_values(&arguments.dimension);
    if let Some(name) = unused.first() {
        return Err(format!("--dimension {name}=…: no metric has a dimension {name} whose value is not known"));
    }
    let mut notes = std::mem::take(&mut publication.notes);
    let actions: Vec<Value> = arguments.action.iter().map(|arn| json!(arn)).collect();
    let alarms = alarms(publication, &arguments.thresholds, &actions, &mut notes);
    let mut resources: Vec<Resource> = alarms.into_iter().map(Alarm::into_resource).collect();
    let ecs: Vec<_> = publication.metrics.iter().filter(|set| set.source == Source::EcsTask).collect();
    match arguments.scaling {
        Some(kind) => {
            resources.extend(scaling::resources(kind, &ecs, arguments.format, &arguments.capacity, &mut notes)?);
        }
        None if !ecs.is_empty() => {
            notes.push("ecs_task is on: --scaling step or --scaling target-tracking adds scaling policies".to_owned());
        }
        None => {}
    }
    Ok((resources, notes))
}

/// Returns the alarms on requests and on the publisher.
fn alarms(
    publication: &Publication,
    thresholds: &Thresholds,
    actions: &[Value],
    notes: &mut Vec<String>,
) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let own = |name: &'static str| {
        let is_own = move |set: &&PublishedSet| set.source == Source::Own && set.name.as_str() == name;
        publication.metrics.iter().filter(is_own)
    };
    let has_own = own("SecondsSinceSuccess").next().is_some();
    let of_requests = || publication.metrics.iter().filter(|set| set.role.is_some());
    let known = || of_requests().filter(|set| set.is_one_series());
    for set in known() {
        match set.role {
            Some("5XXError" | "GrpcError") => alarms.push(error_rate(set, thresholds)),
            Some("Latency") => alarms.push(p99(set, thresholds)),
            Some("RequestCount") if !has_own => alarms.push(no_requests(set, thresholds)),
            _ => {}
        }
    }
    if !has_own && of_requests().next().is_some() {
        let note = "self_metrics is off, so there are no alarms on held and dropped data; \"self_metrics\": true in the \
                    receiver's configuration adds them";
        notes.push(note.to_owned());
    }
    for set in own("SecondsSinceSuccess") {
        alarms.push(no_data(set, thresholds));
        alarms.push(since_success(set, thresholds));
    }
    alarms.extend(own("ValuesDropped").map(|set| dropped(set, thresholds)));
    alarms.extend(own("HeldBytes").map(|set| held(set, thresholds)));
    note_unknown(&of_requests().collect::<Vec<_>>(), notes);
    for (index, alarm) in alarms.iter_mut().enumerate() {
        alarm.id = format!("{}{}", alarm.id, index.saturating_add(1));
        alarm.actions = actions.to_vec();
    }
    alarms
}

/// Adds a remark for each set of requests whose series cannot be named.
fn note_unknown(metrics: &[&PublishedSet], notes: &mut Vec<String>) {
    let mut seen: Vec<&PublishedSet> = Vec::new();
    for set in metrics.iter().copied().filter(|set| !set.is_one_series()) {
        if seen.iter().any(|known| known.shares_set_with(set)) {
            continue;
        }
        seen.push(set);
        let unknown = set.dimensions.iter().filter(|one| one.value().is_none());
        let options: Vec<_> = unknown.map(|one| format!("--dimension {}=VALUE", one.name)).collect();
        notes.push(format!(
            "no alarm on the set {}: an alarm names one series; give {}, or add a set with constants only",
            describe(&set.dimensions),
            options.join(" ")
        ));
    }
}

/// Returns an alarm on a set with the values that most alarms have.
fn alarm(set: &PublishedSet, id: &str, description: String) -> Alarm {
    let dimensions = set.dimensions.iter().map(|one| (one.name.clone(), json!(one.value().unwrap_or_default())));
    Alarm {
        id: id.to_owned(),
        name: json!(format!("acpw {id} {} {} ({})", set.name.as_str(), set.describe_dimensions(), set.namespace)),
        description,
        namespace: set.namespace.clone(),
        metric: set.name.as_str().to_owned(),
        dimensions: dimensions.collect(),
        statistic: "Average",
        unit: set.unit.map(acpw_metric::Unit::as_str),
        period: period(set),
        periods: 5,
        breaching: 3,
        comparison: "GreaterThanOrEqualToThreshold",
        threshold: 0.0,
        missing: "notBreaching",
        actions: Vec::new(),
    }
}

/// Returns the period in seconds of alarms on a set: a minute, or the publish interval in whole minutes.
fn period(set: &PublishedSet) -> u64 {
    set.interval.as_secs().div_ceil(60).max(1).saturating_mul(60)
}

fn error_rate(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    let rate = thresholds.error_rate;
    let description = format!("{} of the requests or more fail.", percent(rate));
    Alarm { threshold: rate / 100.0, ..alarm(set, "ErrorRate", description) }
}

fn p99(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    let threshold = match set.unit {
        Some(acpw_metric::Unit::SECONDS) => thresholds.p99 / 1_000.0,
        _ => thresholds.p99,
    };
    let description = format!("One request in a hundred takes more than {} ms.", thresholds.p99);
    let comparison = "GreaterThanThreshold";
    Alarm { statistic: "p99", threshold, comparison, ..alarm(set, "SlowRequests", description) }
}

/// Returns an alarm on a series of requests without data.
fn no_requests(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    let cause = match set.has_zeros {
        true => "Nothing is published, or no request arrived for longer than publish_zeros.",
        false => "No request arrives, or nothing is published.",
    };
    missing(set, "NoData", cause.to_owned(), thresholds)
}

/// Returns an alarm on the receiver's own metrics, which it publishes in every interval.
fn no_data(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    missing(set, "NoData", "No receiver publishes.".to_owned(), thresholds)
}

fn missing(set: &PublishedSet, id: &str, description: String, thresholds: &Thresholds) -> Alarm {
    let periods = thresholds.no_data.saturating_mul(60).div_ceil(period(set)).max(1);
    Alarm {
        statistic: "SampleCount",
        periods,
        breaching: periods,
        comparison: "LessThanThreshold",
        threshold: 1.0,
        missing: "breaching",
        ..alarm(set, id, description)
    }
}

fn since_success(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    let default = set.interval.as_secs().saturating_mul(5).max(300) as f64;
    let threshold = thresholds.since_success.unwrap_or(default);
    let description = format!("An Envoy's data has not been accepted by CloudWatch for more than {threshold} s.");
    let comparison = "GreaterThanThreshold";
    Alarm { statistic: "Maximum", threshold, comparison, breaching: 1, ..alarm(set, "SinceSuccess", description) }
}

fn dropped(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    let threshold = thresholds.dropped;
    let description = "Values are dropped; acpw.receiver.dropped.* says why.".to_owned();
    let comparison = "GreaterThanThreshold";
    let one = alarm(set, "Dropped", description);
    Alarm { statistic: "Sum", threshold, comparison, periods: 1, breaching: 1, ..one }
}

fn held(set: &PublishedSet, thresholds: &Thresholds) -> Alarm {
    let threshold = (set.buffer_limit as f64 * thresholds.held / 100.0).floor();
    let description = format!(
        "An Envoy holds {} of buffer_limit_bytes or more, because nothing is published.",
        percent(thresholds.held)
    );
    Alarm { statistic: "Maximum", threshold, ..alarm(set, "Held", description) }
}

fn percent(number: f64) -> String {
    format!("{number} %")
}

//! `acpw cost`.

use std::{fmt::Write as _, io::Write, path::PathBuf, process::ExitCode};

use serde::Serialize;

use crate::{
    access_log::AccessLog,
    amount::{dollars, grouped},
    cardinality::{Assumptions, SetCount, ValueCounts, sets, total},
    deployment::{Deployment, Module},
    input::{self, Input},
    price::Prices,
    publication::{Publication, Source},
    replay::{Replay, replay},
    traffic::{self, Traffic},
};

/// Predict series, requests to CloudWatch, and dollars a month
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Requests a second that the senders measure; default: as in the access log, else 100
    #[arg(long, value_name = "REQUESTS", value_parser = rate)]
    rps: Option<f64>,
    /// The number of paths
    #[arg(long, value_name = "N", value_parser = count)]
    paths: Option<u64>,
    /// The number of hosts
    #[arg(long, value_name = "N", value_parser = count)]
    hosts: Option<u64>,
    /// The number of methods
    #[arg(long, value_name = "N", value_parser = count)]
    methods: Option<u64>,
    /// The number of statuses
    #[arg(long, value_name = "N", value_parser = count)]
    statuses: Option<u64>,
    /// The number of values of any dimension
    #[arg(long, value_name = "NAME=N", value_parser = named_count)]
    values: Vec<(String, u64)>,
    /// The number of Envoys that publish
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = count)]
    envoys: u64,
    /// Count the series of requests in an access log of Envoy (its default format or JSON) or a list of paths
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "hosts", "methods", "statuses"])]
    access_log: Option<PathBuf>,
    /// A file with other prices, in the form of "prices" in the output of --json
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// The price in dollars of a gigabyte of OTLP data points
    #[arg(long, value_name = "DOLLARS", value_parser = rate)]
    otlp_price: Option<f64>,
}

fn rate(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be greater than 0".to_owned()) }
}

fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number from 1 on".to_owned()),
        Ok(count) => Ok(count),
    }
}

fn named_count(text: &str) -> Result<(String, u64), String> {
    let (name, number) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("must be NAME=N")?;
    Ok((name.to_owned(), count(number)?))
}

/// Requests a second if neither an argument nor a log gives them.
const DEFAULT_RATE: f64 = 100.0;

/// The prediction.
#[derive(Debug, Serialize)]
struct Prediction<'p> {
    sets: Vec<SetLine>,
    /// Series in a month, within the receivers' bounds.
    series: u64,
    /// Series in a month if nothing bounded them.
    unbounded_series: u64,
    bounds: Vec<Bound>,
    calls_per_month: u64,
    data_per_month: u64,
    bytes_per_month: u64,
    dollars_per_month: Dollars,
    /// Dimensions of requests with the dollars that they add, the dearest first.
    dimensions: Vec<DimensionLine>,
    otlp: Otlp,
    requests_per_second: f64,
    envoys: u64,
    access_log: Option<LogSummary>,
    /// Numbers of values that were assumed.
    assumptions: Assumptions,
    prices: &'p Prices,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SetLine {
    source: String,
    namespace: String,
    dimensions: Vec<String>,
    combinations: u64,
    metrics: Vec<MetricLine>,
    series: u64,
}

#[derive(Debug, Serialize)]
struct MetricLine {
    name: String,
    series: u64,
}

#[derive(Debug, Serialize)]
struct Bound {
    module: String,
    max_series: Option<usize>,
    /// The largest number of series of requests, with those that count the rest.
    series: Option<u64>,
    dollars_per_month: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Dollars {
    series: f64,
    calls: f64,
    total: f64,
}

#[derive(Debug, Serialize)]
struct DimensionLine {
    name: String,
    series_without: u64,
    dollars: f64,
}

#[derive(Debug, Serialize)]
struct Otlp {
    gigabytes_per_month: f64,
    /// The price of a GB at which OTLP costs as much as PutMetricData.
    break_even_dollars_per_gigabyte: Option<f64>,
    dollars_per_month: Option<f64>,
}

#[derive(Debug, Serialize)]
struct LogSummary {
    requests: usize,
    matched: u64,
    unreadable_lines: usize,
}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let mut prices = match &arguments.prices {
        Some(path) => Prices::read(path)?,
        None => Prices::default(),
    };
    prices.dollars_per_otlp_gigabyte = arguments.otlp_price.or(prices.dollars_per_otlp_gigabyte);
    let deployment = arguments.input.deployment()?;
    let publication = Publication::new(&deployment, &arguments.input.environment())?;
    let prediction = predict(&deployment, &publication, arguments, &prices)?;
    match arguments.input.json {
        true => input::write_json(&prediction, out),
        false => input::write_text(&prediction.text()?, out),
    }
}

fn predict<'p>(
    deployment: &Deployment,
    publication: &Publication,
    arguments: &Arguments,
    prices: &'p Prices,
) -> Result<Prediction<'p>, String> {
    let mut notes = publication.notes.clone();
    let log = arguments.access_log.as_deref().map(|path| read_log(path, deployment)).transpose()?;
    let (mut access_log, mut replays) = (None, Vec::new());
    let mut rate = arguments.rps.unwrap_or(DEFAULT_RATE);
    if let Some((log, of_senders)) = log {
        let matched = of_senders.iter().map(|replay| replay.matched).max().unwrap_or(0);
        if let (None, Some(logged)) = (arguments.rps, log.rate()) {
            rate = logged * matched as f64 / log.requests.len().max(1) as f64;
        }
        access_log = Some(LogSummary { requests: log.requests.len(), matched, unreadable_lines: log.unreadable });
        notes.extend(log_notes(&log, &of_senders));
        replays = of_senders;
    }
    let mut values = ValueCounts { rate, ..ValueCounts::default() };
    let given = [
        ("path", arguments.paths),
        ("path_template", arguments.paths.filter(|_| has_no_templates(publication))),
        ("host", arguments.hosts),
        ("method", arguments.methods),
        ("status", arguments.statuses),
    ];
    values.by_built_in.extend(given.into_iter().filter_map(|(name, count)| Some((name, count?))));
    for (name, count) in &arguments.values {
        let mut dimensions = publication.metrics.iter().flat_map(|set| &set.dimensions);
        if !dimensions.any(|dimension| dimension.name == *name) {
            return Err(format!("--values {}=…: no metric has a dimension of this name", name.escape_default()));
        }
        values.by_name.insert(name.clone(), *count);
    }
    let mut assumptions = Assumptions::new();
    let sets = sets(publication, &values, &replays, &mut assumptions);
    if sets.iter().any(SetCount::has_patterns) {
        notes.push("a name with * stands for as many metrics as the endpoint has; it is counted as one".to_owned());
    }

    let (requests, others): (Vec<_>, Vec<_>) = sets.iter().partition(|set| set.first.source == Source::Requests);
    let (of_requests, of_others) = (total(&requests, None), total(&others, None));
    let unbounded_series = of_requests.saturating_add(of_others);
    let overflow = requests.iter().fold(0u64, |sum, set| sum.saturating_add(set.overflow_series()));
    let limit = receivers_limit(deployment);
    let bounded = match limit {
        Some(limit) if of_requests > limit => limit.saturating_add(overflow),
        _ => of_requests,
    };
    let share = if of_requests == 0 { 1.0 } else { bounded as f64 / of_requests as f64 };
    let series = bounded.saturating_add(of_others);
    let Traffic { calls, data, bytes, otlp_bytes } = traffic::of(&sets, rate, arguments.envoys, share.min(1.0));
    let (of_series, of_calls) = (prices.of_series(series), prices.of_calls(calls));
    let gigabytes = otlp_bytes / 1e9;
    Ok(Prediction {
        series,
        unbounded_series,
        bounds: bounds(deployment, of_others, overflow, prices),
        calls_per_month: calls,
        data_per_month: data.round() as u64,
        bytes_per_month: bytes.round() as u64,
        dollars_per_month: Dollars { series: of_series, calls: of_calls, total: of_series + of_calls },
        dimensions: dimensions(&requests, of_others, prices),
        otlp: Otlp {
            gigabytes_per_month: gigabytes,
            break_even_dollars_per_gigabyte: (gigabytes > 0.0).then(|| (of_series + of_calls) / gigabytes),
            dollars_per_month: prices.dollars_per_otlp_gigabyte.map(|price| price * gigabytes),
        },
        requests_per_second: rate,
        envoys: arguments.envoys,
        access_log,
        assumptions,
        prices,
        notes,
        sets: sets.iter().map(set_line).collect(),
    })
}

/// Reads a log and replays it through each sender.
fn read_log(path: &std::path::Path, deployment: &Deployment) -> Result<(AccessLog, Vec<Replay>), String> {
    let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let log = AccessLog::parse(&String::from_utf8_lossy(&text));
    if log.unreadable > log.requests.len() || log.requests.is_empty() {
        let (line, text) = log.first_unreadable.unwrap_or_default();
        return Err(match line {
            0 => format!("{}: has no requests", path.display()),
            _ => format!(
                "{}:{line}: is neither a line of Envoy's default format, a JSON object with a path, nor a path: {text}",
                path.display()
            ),
        });
    }
    if deployment.senders.is_empty() {
        return Err("the files configure no sender, so an access log has no series".to_owned());
    }
    let replays = deployment.senders.iter().map(|sender| replay(sender, &log, &default_host(sender)));
    let replays = replays.collect::<Result<Vec<_>, String>>()?;
    Ok((log, replays))
}

/// Returns a host that a sender measures, for logs without hosts.
fn default_host(sender: &Module<sender::SenderConfig>) -> String {
    let first = sender.document.get("match_hosts").and_then(|hosts| hosts.get(0)).and_then(|host| host.as_str());
    match first {
        Some(host) => host.strip_prefix("*.").map_or_else(|| host.to_owned(), |domain| format!("www.{domain}")),
        None => "example.com".to_owned(),
    }
}

fn log_notes(log: &AccessLog, replays: &[Replay]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((line, text)) = &log.first_unreadable {
        notes.push(format!(
            "lines of the log that cannot be read: {}; the first is line {line}: {text}",
            log.unreadable
        ));
    }
    let unlogged: std::collections::BTreeSet<_> = replays.iter().flat_map(|replay| &replay.unlogged).collect();
    for name in unlogged {
        notes.push(format!(
            "the log does not have {name}, which is counted as one value; --values NAME=N multiplies it"
        ));
    }
    if !log.fields.contains(":authority") {
        notes.push("the log has no hosts; one host of match_hosts is assumed".to_owned());
    }
    notes
}

/// Returns true if no sender has a list of path templates, so that normalised paths are counted like paths.
fn has_no_templates(publication: &Publication) -> bool {
    let mut dimensions = publication.metrics.iter().flat_map(|set| &set.dimensions);
    !dimensions.any(|one| one.built_in == Some("path_template") && !one.values.is_empty())
}

/// Returns the bound on the series of all senders, over all receivers.
fn receivers_limit(deployment: &Deployment) -> Option<u64> {
    let limits = deployment.receivers.iter().map(|receiver| receiver.config.max_series);
    limits.map(|limit| limit.map(|limit| limit as u64)).sum::<Option<u64>>()
}

fn bounds(deployment: &Deployment, others: u64, overflow: u64, prices: &Prices) -> Vec<Bound> {
    let bound = |module: String, max_series: Option<usize>| {
        let series = max_series.map(|limit| (limit as u64).saturating_add(overflow));
        let dollars_per_month = series.map(|series| prices.of_series(series.saturating_add(others)));
        Bound { module, max_series, series, dollars_per_month }
    };
    let mut bounds = Vec::new();
    for sender in &deployment.senders {
        let module = format!("{}:{}: sender, each worker", sender.file.display(), sender.line);
        bounds.push(bound(module, Some(sender.config.max_series)));
    }
    for receiver in deployment.receivers.iter().filter(|_| !deployment.senders.is_empty()) {
        let module = format!("{}:{}: receiver, all senders", receiver.file.display(), receiver.line);
        bounds.push(bound(module, receiver.config.max_series));
    }
    bounds
}

/// Returns what each dimension of requests adds to the price, the dearest first.
fn dimensions(requests: &[&SetCount], others: u64, prices: &Prices) -> Vec<DimensionLine> {
    let with = prices.of_series(total(requests, None).saturating_add(others));
    let mut names: Vec<&str> = Vec::new();
    for dimension in requests.iter().flat_map(|set| &set.first.dimensions).filter(|one| !one.is_constant) {
        if !names.contains(&dimension.name.as_str()) {
            names.push(&dimension.name);
        }
    }
    let line = |name: &str| {
        let series_without = total(requests, Some(name));
        let dollars = with - prices.of_series(series_without.saturating_add(others));
        DimensionLine { name: name.to_owned(), series_without, dollars }
    };
    let mut lines: Vec<_> = names.into_iter().map(line).collect();
    lines.sort_by(|a, b| b.dollars.total_cmp(&a.dollars).then_with(|| a.name.cmp(&b.name)));
    lines
}

fn set_line(set: &SetCount) -> SetLine {
    let source = match &set.first.source {
        Source::Requests => "requests".to_owned(),
        Source::EcsTask => "ecs_task".to_owned(),
        Source::Scrape(cluster) => format!("scrape {cluster}"),
        Source::EnvoyStats => "envoy_stats".to_owned(),
        Source::Own => "self_metrics".to_owned(),
    };
    let metric = |(index, metric): (usize, &crate::publication::PublishedSet)| MetricLine {
        name: metric.name.as_str().to_owned(),
        series: set.of_metric(index, None),
    };
    SetLine {
        source,
        namespace: set.first.namespace.clone(),
        dimensions: set.first.dimensions.iter().map(|one| one.name.clone()).collect(),
        combinations: set.combinations(),
        metrics: set.metrics.iter().enumerate().map(metric).collect(),
        series: set.series(None),
    }
}

impl Prediction<'_> {
    /// Returns the prediction for a person.
    fn text(&self) -> Result<String, String> {
        let mut text = String::new();
        self.write(&mut text).map_err(|_| "the output cannot be written".to_owned())?;
        Ok(text)
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "series a month, by dimension set")?;
        for set in &self.sets {
            let dimensions =
                if set.dimensions.is_empty() { "no dimensions".to_owned() } else { set.dimensions.join(", ") };
            let SetLine { source, namespace, combinations, series, .. } = set;
            let (number, count) = (grouped(*series), grouped(*combinations));
            let combination = if *combinations == 1 { "combination" } else { "combinations" };
            writeln!(out, "{number:>12}  {source}: {namespace}, by {dimensions}: {count} {combination}")?;
            for metric in &set.metrics {
                writeln!(out, "{:>12}    {}", grouped(metric.series), metric.name)?;
            }
        }
        writeln!(out)?;
        let Dollars { series, calls, total } = self.dollars_per_month;
        let rate = (self.requests_per_second * 100.0).round() / 100.0;
        let envoys = if self.envoys == 1 { "1 Envoy".to_owned() } else { format!("{} Envoys", self.envoys) };
        writeln!(out, "a month with {rate} requests/s and {envoys}")?;
        writeln!(out, "{:>12}  series, {}", grouped(self.series), dollars(series))?;
        if self.unbounded_series > self.series {
            let all = grouped(self.unbounded_series);
            writeln!(
                out,
                "              (of {all}; the rest counts under __other__ because of the receiver's max_series)"
            )?;
        }
        writeln!(out, "{:>12}  PutMetricData calls, {}", grouped(self.calls_per_month), dollars(calls))?;
        writeln!(out, "{:>12}  in total", dollars(total))?;
        self.write_bounds(out)?;
        if !self.dimensions.is_empty() {
            writeln!(out, "\nwhat a dimension of requests adds, without any max_series")?;
            for one in &self.dimensions {
                writeln!(out, "{:>12}  {}", dollars(one.dollars), one.name)?;
            }
        }
        self.write_services(out)?;
        writeln!(out, "prices: list prices of {} in {}", self.prices.date, self.prices.region)?;
        if let Some(log) = &self.access_log {
            writeln!(out, "access log: {} requests, {} of them to hosts that are measured", log.requests, log.matched)?;
        }
        if !self.assumptions.is_empty() {
            let all: Vec<_> = self.assumptions.iter().map(|(name, count)| format!("{name}={count}")).collect();
            writeln!(out, "assumed numbers of values, which --values changes: {}", all.join(" "))?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }

    /// Writes the prices of both services, one below the other.
    fn write_services(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\nthe same data to either service")?;
        let Dollars { total, .. } = self.dollars_per_month;
        let (series, calls) = (grouped(self.series), grouped(self.calls_per_month));
        writeln!(out, "{:>12}  PutMetricData: {series} series and {calls} calls", dollars(total))?;
        let Otlp { gigabytes_per_month, break_even_dollars_per_gigabyte, dollars_per_month } = &self.otlp;
        let price = dollars_per_month.map_or_else(|| "unknown".to_owned(), dollars);
        write!(out, "{price:>12}  CloudWatch's OTLP endpoint: about {gigabytes_per_month:.3} GB of data points")?;
        if let Some(break_even) = break_even_dollars_per_gigabyte {
            write!(out, ", which cost less below {} a GB", dollars(*break_even))?;
        }
        writeln!(out)?;
        if dollars_per_month.is_none() {
            writeln!(out, "{:>12}  (the price of a GB is not known here; give it by --otlp-price)", "")?;
        }
        writeln!(out)
    }

    fn write_bounds(&self, out: &mut String) -> std::fmt::Result {
        if self.bounds.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nat most, however many paths clients make up")?;
        for bound in &self.bounds {
            match (bound.series, bound.dollars_per_month) {
                (Some(series), Some(price)) => {
                    let max_series = bound.max_series.unwrap_or_default();
                    let (series, price) = (grouped(series), dollars(price));
                    writeln!(out, "{price:>12}  {series} series: {}, max_series {max_series}", bound.module)?;
                }
                _ => writeln!(out, "{:>12}  no bound: {}, max_series null", "", bound.module)?,
            }
        }
        Ok(())
    }
}

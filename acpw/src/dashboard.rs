//! `acpw dashboard`.

use std::{io::Write, process::ExitCode};

use acpw_metric::Unit;
use receiver::source::published_metric::ValueKind;
use serde_json::Value;

use crate::{
    input::{self, Input},
    publication::{Publication, PublishedSet, Source},
    template::{self, Format, Resource},
    widget::{Graph, Grid},
};

/// Write a CloudWatch dashboard with the metrics that a configuration publishes
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// The format: the body for PutDashboard, a CloudFormation template, or Terraform's JSON syntax
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The name of the dashboard in a template; default: acpw and the namespace
    #[arg(long)]
    name: Option<String>,
    /// The region of the metrics; default: the receiver's, in templates that of the stack or provider
    #[arg(long)]
    region: Option<String>,
}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let publication = arguments.input.publication()?;
    let name = arguments.name.clone().unwrap_or_else(|| default_name(&publication));
    check_name(&name)?;
    let region = arguments.region.clone().or_else(|| publication.region.clone());
    let region = match (region, arguments.format) {
        (Some(region), _) => region,
        (None, Format::Cloudformation) => template::CLOUDFORMATION_REGION.to_owned(),
        (None, Format::Terraform) => template::TERRAFORM_REGION.to_owned(),
        (None, Format::Cloudwatch) => {
            return Err(
                "the configuration names no region, because the environment decides it where Envoy runs; give \
                        it by --region"
                    .to_owned(),
            );
        }
    };
    let body = body(&publication, &region);
    if body.get("widgets").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        input::write_notes(&publication.notes);
        eprintln!("acpw: no dashboard can be written, because this configuration alone publishes nothing");
        return Ok(ExitCode::from(1));
    }
    let document = match arguments.format {
        Format::Cloudwatch => body,
        format => template::document(format, &[Resource::dashboard(&name, &body)?]),
    };
    input::write_document(&document, &publication.notes, arguments.input.json, out)
}

/// Returns the body of the dashboard of a publication, for CloudWatch's PutDashboard.
pub fn body(publication: &Publication, region: &str) -> Value {
    let mut grid = Grid::default();
    let period = period(publication);
    let mut page = Page { grid: &mut grid, region, period };
    let is_request = |set: &&PublishedSet| set.role.is_some();
    let requests: Vec<_> = publication.metrics.iter().filter(is_request).collect();
    page.requests(&requests);
    page.ecs_task(&of(publication, |set| set.source == Source::EcsTask));
    let scraped = of(publication, |set| matches!(set.source, Source::Scrape(_)));
    page.others(&scraped);
    page.others(&of(publication, |set| set.source == Source::EnvoyStats && set.role.is_none()));
    page.own(&of(publication, |set| set.source == Source::Own));
    grid.into_body()
}

fn of(publication: &Publication, is_wanted: impl Fn(&PublishedSet) -> bool) -> Vec<&PublishedSet> {
    publication.metrics.iter().filter(|set| is_wanted(set)).collect()
}

/// Returns the period of the graphs in seconds: a minute, or the longest publish interval in whole minutes.
fn period(publication: &Publication) -> u64 {
    let longest = publication.metrics.iter().map(|set| set.interval.as_secs()).max().unwrap_or(60);
    longest.div_ceil(60).max(1).saturating_mul(60)
}

/// The dashboard while it is written.
struct Page<'a> {
    grid: &'a mut Grid,
    region: &'a str,
    period: u64,
}

impl Page<'_> {
    fn row(&mut self, graphs: Vec<Graph>) {
        self.grid.row(graphs, self.region, self.period);
    }

    /// Adds the metrics of requests: all of them for sets that are one series, and for the set of each namespace with
    /// the fewest unknown dimensions; the most important ones for other sets, by their values.
    fn requests(&mut self, metrics: &[&PublishedSet]) {
        let mut groups = groups(metrics);
        groups.sort_by_key(|group| group.first().map_or(0, |first| first.unknown_dimensions()));
        for group in &groups {
            let Some(first) = group.first() else { continue };
            let unknown = first.unknown_dimensions();
            let same_namespace =
                |other: &&Vec<&PublishedSet>| other.first().is_some_and(|other| other.namespace == first.namespace);
            let others = groups.iter().filter(same_namespace).filter_map(|other| other.first());
            let fewest = others.map(|other| other.unknown_dimensions()).min().unwrap_or(0);
            self.grid.heading(&format!("Requests: {} · {}", first.namespace, first.describe_dimensions()));
            if unknown == fewest {
                self.overview(group);
            }
            if unknown > 0 {
                self.by_value(group);
            }
        }
    }

    /// Adds graphs of all requests of a group together.
    fn overview(&mut self, group: &[&PublishedSet]) {
        let period = self.period;
        let find = |role: &str| group.iter().copied().find(|set| set.role == Some(role));
        let mut requests = Graph::new("Requests", "Count");
        for role in ["RequestCount", "GrpcRequestCount"] {
            find(role).inspect(|set| requests.total(set, period, set.name.as_str()));
        }
        let mut errors = Graph::new("Error rate", "%");
        for role in ["4XXError", "5XXError", "GrpcError"] {
            find(role).inspect(|set| errors.rate(set, period, set.name.as_str()));
        }
        let mut in_flight = Graph::new("Requests in progress", "Count");
        let mut utilization = Graph::new("Concurrency utilization", "%");
        for (role, graph) in [("RequestsInProgress", &mut in_flight), ("ConcurrencyUtilization", &mut utilization)] {
            if let Some(set) = find(role) {
                graph.top(set, "Average", period, "AVG", "average");
                graph.top(set, "Maximum", period, "MAX", "maximum");
            }
        }
        self.row(vec![requests, errors, in_flight, utilization]);

        let mut times = Vec::new();
        for (role, title) in [("Latency", "Latency"), ("TargetResponseTime", "Response time of the upstream")] {
            let graphs = find(role).map(|set| self.percentiles(set, title)).unwrap_or_default();
            match graphs.len() {
                0 | 1 => times.extend(graphs),
                _ => self.row(graphs),
            }
        }
        self.row(times);

        let mut codes = Graph::new("Answers by status", "Count").stacked();
        let mut failures = Graph::new("Connection errors, retries, disconnects", "Count");
        for set in group.iter().copied() {
            match set.role {
                Some(role) if role.starts_with("HTTPCode_") => codes.total(set, period, set.name.as_str()),
                Some("TargetConnectionErrorCount" | "RetryCount" | "ClientDisconnectCount") => {
                    failures.total(set, period, set.name.as_str());
                }
                _ => {}
            }
        }
        let mut sizes = Vec::new();
        for role in ["RequestBytes", "ResponseBytes", "BufferSize", "RequestBodySize"] {
            let Some(set) = find(role) else { continue };
            let mut graph = Graph::new(set.name.as_str(), "Bytes");
            if set.is_one_series() {
                for statistic in ["p50", "p99"] {
                    graph.series(set, statistic, statistic);
                }
            } else {
                graph.total(set, period, "sum");
            }
            sizes.push(graph);
        }
        let mut row = vec![codes, failures];
        row.extend(sizes);
        self.row(row);
    }

    /// Adds graphs of the dimension values of a group with the most requests, errors and the highest latency.
    fn by_value(&mut self, group: &[&PublishedSet]) {
        let period = self.period;
        let top = |role: &str, title: &str, unit: &'static str, statistic: &str, order: &str| {
            let set = group.iter().copied().find(|set| set.role == Some(role))?;
            let mut graph = Graph::new(title, unit);
            graph.top(set, statistic, period, order, set.name.as_str());
            Some(graph)
        };
        let graphs = [
            top("RequestCount", "Most requests", "Count", "Sum", "SUM"),
            top("5XXError", "Most 5XX", "Count", "Sum", "SUM"),
            top("4XXError", "Most 4XX", "Count", "Sum", "SUM"),
            top("Latency", "Highest p99 of latency", "", "p99", "MAX"),
        ];
        self.row(graphs.into_iter().flatten().collect());
    }

    /// Returns one graph with p50, p90 and p99 of one series, or three graphs of the highest series.
    fn percentiles(&self, set: &PublishedSet, title: &str) -> Vec<Graph> {
        let unit = set.unit.map_or("", Unit::as_str);
        let statistics = ["p50", "p90", "p99"];
        if set.is_one_series() {
            let mut graph = Graph::new(title, unit);
            statistics.iter().for_each(|statistic| graph.series(set, statistic, statistic));
            return vec![graph];
        }
        let graph = |statistic: &&str| {
            let mut graph = Graph::new(format!("{title}, {statistic}"), unit);
            graph.top(set, statistic, self.period, "MAX", statistic);
            graph
        };
        statistics.iter().map(graph).collect()
    }

    /// Adds the metrics of an ECS task by unit.
    fn ecs_task(&mut self, metrics: &[&PublishedSet]) {
        for group in groups(metrics) {
            let Some(first) = group.first() else { continue };
            self.grid.heading(&format!("ECS task: {} · {}", first.namespace, first.describe_dimensions()));
            let graphs = group.iter().map(|set| self.any(set)).collect();
            self.row(graphs);
        }
    }

    /// Adds a graph for each metric, by source and set.
    fn others(&mut self, metrics: &[&PublishedSet]) {
        for group in groups(metrics) {
            let Some(first) = group.first() else { continue };
            let source = match &first.source {
                Source::Scrape(cluster) => format!("Prometheus endpoint {cluster}"),
                _ => "Envoy's stats".to_owned(),
            };
            self.grid.heading(&format!("{source}: {} · {}", first.namespace, first.describe_dimensions()));
            let graphs = group.iter().map(|set| self.any(set)).collect();
            self.row(graphs);
        }
    }

    /// Returns a graph with the statistics that fit the kind of a metric's values.
    fn any(&self, set: &PublishedSet) -> Graph {
        let mut graph = Graph::new(set.name.as_str(), set.unit.map_or("", Unit::as_str));
        match set.values {
            ValueKind::Increase | ValueKind::Events => graph.top(set, "Sum", self.period, "SUM", "sum"),
            ValueKind::Distribution => {
                for statistic in ["p50", "p99"] {
                    graph.top(set, statistic, self.period, "MAX", statistic);
                }
            }
            ValueKind::Level => {
                graph.top(set, "Average", self.period, "AVG", "average");
                graph.top(set, "Maximum", self.period, "MAX", "maximum");
            }
            ValueKind::Declared => graph.top(set, "Average", self.period, "AVG", "average"),
        }
        graph
    }

    /// Adds the receiver's own metrics.
    fn own(&mut self, metrics: &[&PublishedSet]) {
        for group in groups(metrics) {
            let Some(first) = group.first() else { continue };
            self.grid.heading(&format!("Publisher: {}", first.namespace));
            let graph = |title: &str, unit: &'static str, names: &[&str], statistic: &str| {
                let mut graph = Graph::new(title, unit);
                for set in group.iter().filter(|set| names.contains(&set.name.as_str())) {
                    graph.series(set, statistic, set.name.as_str());
                }
                graph
            };
            self.row(vec![
                graph("Values", "Count", &["ValuesReceived", "ValuesPublished"], "Sum"),
                graph("Losses and trouble", "Count", &["ValuesDropped", "RequestsRetried", "RequestsThrottled"], "Sum"),
                graph("Held", "Bytes", &["HeldBytes"], "Maximum"),
                graph("Seconds since CloudWatch accepted data", "s", &["SecondsSinceSuccess"], "Maximum"),
            ]);
        }
    }
}

/// Groups metrics by source, namespace and dimensions, in the order in which they appear.
fn groups<'p>(metrics: &[&'p PublishedSet]) -> Vec<Vec<&'p PublishedSet>> {
    let mut groups: Vec<Vec<&PublishedSet>> = Vec::new();
    for set in metrics.iter().copied() {
        let is_same = |first: &&PublishedSet| first.shares_set_with(set) && first.source == set.source;
        match groups.iter_mut().find(|group| group.first().is_some_and(is_same)) {
            Some(group) => group.push(set),
            None => groups.push(vec![set]),
        }
    }
    groups
}

/// Returns a name from the namespace of the first metric.
fn default_name(publication: &Publication) -> String {
    let namespace = publication.metrics.first().map_or("", |set| set.namespace.as_str());
    let safe = |character: char| if character.is_ascii_alphanumeric() || character == '_' { character } else { '-' };
    format!("acpw-{}", namespace.chars().map(safe).collect::<String>())
}

/// Checks the name of a dashboard by CloudWatch's rules: 1 to 255 letters, digits, hyphens and underscores.
fn check_name(name: &str) -> Result<(), String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (1..=255).contains(&name.len()) && name.bytes().all(is_legal) {
        true => Ok(()),
        false => Err(format!(
            "--name must be 1 to 255 letters, digits, hyphens and underscores, got \"{}\"",
            name.escape_default()
        )),
    }
}

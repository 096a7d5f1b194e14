//! `acpw status`.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use crate::{
    amount::{bytes, dollars, duration, grouped},
    figures::Figures,
    input, output,
};

/// Show what a running Envoy published, holds and dropped
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The address of a gateway or of Envoy's admin interface, such as http://localhost:3000
    url: String,
    /// Show the figures again and again
    #[arg(long)]
    watch: bool,
    /// Seconds between two readings with --watch
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds, requires = "watch")]
    interval: f64,
    /// Stop after this number of readings
    #[arg(long, value_name = "N", requires = "watch")]
    times: Option<u64>,
    /// Print JSON, for programs; with --watch, one line for each reading
    #[arg(long)]
    json: bool,
}

/// The time limit for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum size of an answer.
const ANSWER_LIMIT: u64 = 4 << 20;

/// The statistics of the modules, of all that Envoy has.
const STATS_PATH: &str = "/stats?filter=acpw";

const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if (0.1..=3_600.0).contains(&number) { Ok(number) } else { Err("must be between 0.1 and 3600".to_owned()) }
}

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the endpoint does not answer as expected.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let endpoint = Endpoint::new(&arguments.url)?;
    let is_terminal = std::io::stdout().is_terminal();
    let style = Style { has_colour: output::has_colour() };
    let mut before: Option<(Instant, Figures)> = None;
    let mut readings = 0u64;
    loop {
        let read = endpoint.read();
        let now = Instant::now();
        readings = readings.saturating_add(1);
        let is_last = !arguments.watch || arguments.times.is_some_and(|times| readings >= times);
        let is_ready = match read {
            // While it is watched, Envoy may restart.
            Err(message) if !is_last => {
                input::write_text(&format!("{message}\n"), out)?;
                false
            }
            Err(message) => return Err(message),
            Ok(figures) => {
                let text = if arguments.json {
                    json(&figures, arguments.watch)?
                } else {
                    let start = if arguments.watch && is_terminal { CLEAR_SCREEN } else { "" };
                    let since = before.as_ref().map(|(then, figures)| (now.duration_since(*then), figures));
                    format!("{start}{}", text(&figures, since, style)?)
                };
                input::write_text(&text, out)?;
                let is_ready = figures.is_ready();
                before = Some((now, figures));
                is_ready
            }
        };
        if is_last {
            return Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
        thread::sleep(Duration::from_secs_f64(arguments.interval));
    }
}

fn json(figures: &Figures, is_one_line: bool) -> Result<String, String> {
    let text = if is_one_line { serde_json::to_string(figures) } else { serde_json::to_string_pretty(figures) };
    text.map(|text| format!("{text}\n")).map_err(|error| format!("the output cannot be written: {error}"))
}

/// A gateway or an admin interface.
struct Endpoint {
    url: String,
    agent: ureq::Agent,
}

impl Endpoint {
    fn new(url: &str) -> Result<Self, String> {
        let url = match url.split_once("://") {
            Some(("http", _)) => url.to_owned(),
            Some((scheme, _)) => {
                return Err(format!("{url}: the scheme must be http, got {scheme}"));
            }
            None => format!("http://{url}"),
        };
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        Ok(Self { url: url.trim_end_matches('/').to_owned(), agent: config.into() })
    }

    /// Reads the figures: as a gateway's status, else as an admin interface's statistics.
    fn read(&self) -> Result<Figures, String> {
        let has_path = self.url.splitn(4, '/').nth(3).is_some();
        if has_path && self.url.contains("/stats") {
            return self.read_admin(&self.url);
        }
        let status = if has_path { self.url.clone() } else { format!("{}/status", self.url) };
        match self.fetch(&status)? {
            (200, body) => Figures::of_gateway(body.as_bytes()).map_err(|error| format!("{status}: {error}")),
            // Envoy's admin interface has no such path.
            (404, _) if !has_path => self.read_admin(&format!("{}{STATS_PATH}", self.url)),
            (code, _) => Err(format!("{status}: status {code}, where a gateway answers 200")),
        }
    }

    fn read_admin(&self, url: &str) -> Result<Figures, String> {
        match self.fetch(url)? {
            (200, body) => Figures::of_admin(&body).map_err(|error| format!("{url}: {error}")),
            (code, _) => Err(format!("{url}: status {code}, where Envoy's admin interface answers 200")),
        }
    }

    fn fetch(&self, url: &str) -> Result<(u16, String), String> {
        let answer = self.agent.get(url).call();
        let mut answer = answer.map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_LIMIT).lossy_utf8(true).read_to_string();
        body.map(|body| (status, body)).map_err(|error| format!("{url}: {error}"))
    }
}

/// The form of the text.
#[derive(Clone, Copy)]
struct Style {
    has_colour: bool,
}

impl Style {
    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Returns the figures for a person. `before` is an earlier reading with the time since then, for rates.
fn text(figures: &Figures, before: Option<(Duration, &Figures)>, style: Style) -> Result<String, String> {
    let mut text = String::new();
    write(&mut text, figures, before, style).map_err(|_| "the output cannot be written".to_owned())?;
    Ok(text)
}

fn write(out: &mut String, figures: &Figures, before: Option<(Duration, &Figures)>, style: Style) -> std::fmt::Result {
    let number = |name: &str| grouped(figures.get(name).unwrap_or(0));
    let rate = |name: &str| {
        let (elapsed, before) = before?;
        let change = figures.get(name)?.checked_sub(before.get(name)?)?;
        Some(format!(", {:.1}/s", change as f64 / elapsed.as_secs_f64().max(0.001)))
    };
    let rate = |name: &str| rate(name).unwrap_or_default();
    let mut line = |name: &str, value: String| writeln!(out, "{name:<12} {value}");
    match (&figures.state, figures.endpoint) {
        (Some(state), _) if state == "ready" => line("gateway", style.good(state))?,
        (Some(state), _) => line("gateway", style.bad(state))?,
        (None, endpoint) => line("endpoint", endpoint.to_owned())?,
    }
    if let Some(details) = &figures.receiver {
        let region = if details.region.is_empty() { "an unknown region" } else { &details.region };
        let interval = duration(details.publish_interval_millisecond / 1_000);
        let age = figures.time.unwrap_or(details.started).saturating_sub(details.started) / 1_000;
        let (version, namespace) = (&details.version, &details.namespace);
        let age = duration(age);
        line("receiver", format!("{version}, to {namespace} in {region} every {interval}, started {age} ago"))?;
    } else if figures.get("receiver.received").is_none() {
        line("receiver", style.bad("none"))?;
    }
    if figures.get("sender.observed").is_some() {
        let held = number("sender.held");
        line("observed", format!("{} values{}, {held} held", number("sender.observed"), rate("sender.observed")))?;
    }
    if figures.get("gateway.accepted").is_some() {
        let refused = figures.counters.iter().filter(|(name, _)| name.starts_with("gateway.refused."));
        let refused = refused.fold(0u64, |sum, (_, value)| sum.saturating_add(*value));
        let accepted = number("gateway.accepted");
        line("posts", format!("{accepted} accepted{}, {} refused", rate("gateway.accepted"), grouped(refused)))?;
    }
    if figures.get("receiver.received").is_none() {
        return Ok(());
    }
    line("received", format!("{} values{}", number("receiver.received"), rate("receiver.received")))?;
    let (published, requests) = (number("receiver.published"), number("receiver.requests"));
    line("published", format!("{published} values{}, in {requests} requests", rate("receiver.published")))?;
    let limit = figures.receiver.as_ref().map(|details| format!(" of {}", bytes(details.buffer_limit_bytes)));
    let held_bytes = bytes(figures.get("receiver.held_bytes").unwrap_or(0));
    let held = (number("receiver.held"), number("receiver.held_series"));
    line("held", format!("{} values in {} data, {held_bytes}{}", held.0, held.1, limit.unwrap_or_default()))?;
    let (reasons, dropped) = figures.dropped();
    match dropped {
        0 => line("dropped", "0 values".to_owned())?,
        _ => {
            let reasons: Vec<_> = reasons.iter().map(|(name, value)| format!("{name} {}", grouped(*value))).collect();
            line("dropped", style.bad(&format!("{} values: {}", grouped(dropped), reasons.join(", "))))?;
        }
    }
    let trouble = ["retried", "throttled", "denied", "foreign", "unknown_outcome"];
    let trouble = trouble.into_iter().filter_map(|name| {
        let value = figures.get(&format!("receiver.{name}")).filter(|value| *value > 0)?;
        Some(format!("{name} {}", grouped(value)))
    });
    let trouble: Vec<_> = trouble.collect();
    if !trouble.is_empty() {
        line("requests", style.bad(&trouble.join(", ")))?;
    }
    if figures.get("receiver.otlp.received").is_some_and(|received| received > 0) {
        let held = bytes(figures.get("receiver.otlp.held_bytes").unwrap_or(0));
        let (published, values) = (number("receiver.otlp.published"), number("receiver.otlp.held"));
        let dropped = figures.counters.iter().filter(|(name, _)| name.starts_with("receiver.otlp.dropped."));
        let dropped = dropped.fold(0u64, |sum, (_, value)| sum.saturating_add(*value));
        let rate = rate("receiver.otlp.published");
        let dropped = match dropped {
            0 => "0 dropped".to_owned(),
            dropped => style.bad(&format!("{} dropped", grouped(dropped))),
        };
        line("otlp", format!("{published} values published{rate}, {values} held in {held}, {dropped}"))?;
    }
    match figures.get("receiver.seconds_since_success") {
        Some(seconds) => line("success", format!("{} ago", duration(seconds)))?,
        None => line("success", "none so far".to_owned())?,
    }
    match &figures.receiver {
        Some(details) => line("clock", format!("{:+} ms", details.clock_skew_millisecond))?,
        None => line("clock", format!("off by {} ms", number("receiver.clock_skew_millisecond")))?,
    }
    match &figures.receiver {
        Some(details) => {
            let left =
                details.credentials_expire.zip(figures.time).map(|(expire, now)| (expire, expire.checked_sub(now)));
            let expiry = match left {
                Some((_, Some(left))) => format!(", expire in {}", duration(left / 1_000)),
                Some((_, None)) => style.bad(", expired"),
                None => String::new(),
            };
            line("credentials", format!("{}{expiry}", details.credentials))?;
        }
        None => {
            let failed = number("receiver.credentials.failed");
            line("credentials", format!("refreshed {}, failed {failed}", number("receiver.credentials.refreshed")))?;
        }
    }
    let cents = figures.get("receiver.predicted_monthly_cost_cents").unwrap_or(0);
    let series = number("receiver.published_series");
    let calls = figures.receiver.as_ref().map(|details| format!(", {} requests", grouped(details.requests_per_month)));
    line("cost", format!("{} a month: {series} series{}", dollars(cents as f64 / 100.0), calls.unwrap_or_default()))?;
    for (time, text) in figures.receiver.iter().flat_map(|details| &details.errors) {
        let age = duration(figures.time.unwrap_or(*time).saturating_sub(*time) / 1_000);
        line("", format!("{age} ago: {text}"))?;
    }
    Ok(())
}

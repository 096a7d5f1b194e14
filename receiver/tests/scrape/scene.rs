//! Polls sources in virtual time.

use std::time::Duration;

use acpw_metric::{Accumulator, Now, Timestamp};
use receiver::{
    ReceiverConfig,
    call::{Call, Response},
    notice::Notice,
    source::{Head, SourceId, Sources},
};
use serde_json::{Value, json};

pub(crate) const START: u64 = 1_787_402_160_000;

pub(crate) fn config(scrape: Value) -> Result<ReceiverConfig, Vec<String>> {
    let document = json!({
        "cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "aws_access_key_id": "AKID",
        "aws_secret_access_key": "secret", "scrape": scrape,
    });
    ReceiverConfig::from_json(document.to_string().as_bytes(), |_| None).map_err(|errors| errors.lines().collect())
}

/// Polls sources with five ticks per second.
pub(crate) struct Poller {
    pub(crate) sources: Sources,
    pub(crate) millis: u64,
    pub(crate) calls: Vec<(SourceId, Call)>,
}

impl Poller {
    pub(crate) fn new(scrape: Value) -> Self {
        Self { sources: Sources::new(config(scrape).unwrap().sources), millis: 0, calls: Vec::new() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { wall: Timestamp::from_millis(START + self.millis), steady: Duration::from_millis(self.millis) }
    }

    pub(crate) fn answer(&mut self, id: SourceId, body: &str) {
        self.respond(id, Response::Complete { status: 200, body: body.as_bytes().to_vec(), date: None });
    }

    /// Responds with this status, these headers and this body.
    pub(crate) fn answer_with(&mut self, id: SourceId, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
            Some(value.as_bytes().to_vec())
        };
        let response = Response::Complete { status, body: body.to_vec(), date: None };
        let now = self.now();
        self.sources.handle_answer_with(id, &Head::new(header), response, now);
    }

    pub(crate) fn respond(&mut self, id: SourceId, response: Response) {
        let now = self.now();
        self.sources.handle_answer(id, response, now);
    }

    /// Ticks for `millis` and returns the published series: name with namespace, dimensions and unit, sample count and
    /// sum.
    pub(crate) fn tick_for(&mut self, millis: u64) -> Vec<(String, f64, f64)> {
        let mut all = Accumulator::default();
        for _ in 0..millis / 200 {
            self.millis += 200;
            while let Some(call) = self.sources.poll_call(self.now()) {
                self.calls.push(call);
            }
            for data in self.sources.poll_data() {
                all.merge(data.data);
            }
        }
        let data = all.iter().flat_map(|(key, dimensions, distributions)| {
            let namespace = key.origin.namespace.as_ref().map(|namespace| format!("{namespace} ")).unwrap_or_default();
            let values: String = dimensions.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            distributions.iter().map(move |(metric, distribution)| {
                (
                    format!("{namespace}{}{values} {}", metric.name, metric.unit),
                    distribution.sample_count(),
                    distribution.sum(),
                )
            })
        });
        data.collect()
    }

    /// Ticks until the next call.
    pub(crate) fn next_call(&mut self) -> (SourceId, Call) {
        for _ in 0..1_000 {
            if self.calls.is_empty() {
                assert_eq!(self.tick_for(200), []);
            }
        }
        self.calls.remove(0)
    }

    /// Ticks until a response is read, and returns the published series.
    pub(crate) fn read(&mut self) -> Vec<(String, f64, f64)> {
        let ends = |poller: &Self| poller.sources.counts().answers + poller.sources.counts().failed;
        let before = ends(self);
        let mut published = Vec::new();
        while ends(self) == before {
            published.extend(self.tick_for(200));
        }
        published
    }

    /// Responds to each of the next calls with one of these texts, and returns the series published after each.
    pub(crate) fn rounds<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> Vec<Vec<(String, f64, f64)>> {
        let round = |text: T| {
            let (id, _) = self.next_call();
            self.answer(id, text.as_ref());
            self.read()
        };
        texts.into_iter().map(round).collect()
    }

    /// Returns the log lines since the last call of this function, without the rate limit.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.notices().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.sources.poll_notice()).collect()
    }
}

pub(crate) fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    &call.headers.iter().find(|(known, _)| *known == name).unwrap().1
}

pub(crate) fn datum(name: &str, samples: f64, sum: f64) -> (String, f64, f64) {
    (name.to_owned(), samples, sum)
}

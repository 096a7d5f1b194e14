//! Scrapes a Prometheus endpoint.

pub mod exposition;
pub mod line;

mod config;
mod family;
mod number;
mod redirect;
mod response;
mod unused;

use std::time::Duration;

use acpw_metric::{Accumulator, Now};

pub use config::RawScrape;

use self::{response::ScrapeResponse, unused::UnusedRules};
#[cfg(not(target_arch = "wasm32"))]
use super::published_metric::PublishedMetric;
use super::{SourceCounts, collector::Collector, failure::tls_hint, head::Head};
use crate::call::Response;

/// The supported formats, as the `accept` header of a request. OpenMetrics is preferred because it has creation times.
pub(super) const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Scrapes a Prometheus endpoint. A round is one request, and another one after a redirect.
#[derive(Debug)]
pub struct Scrape {
    path: String,
    authority: String,
    answer_limit: usize,
    collector: Collector,
    request: Request,
    /// The response that is being read.
    response: Option<ScrapeResponse>,
    /// The rules that match no metric of the first response.
    unused: Option<UnusedRules>,
    /// True if the response was read and its data is being published.
    is_finishing: bool,
}

/// The state of this round's request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    /// The request is due.
    Due,
    /// The request was sent.
    Sent,
    /// The response was a redirect to this path.
    Redirected(String),
    /// The redirect was followed.
    Followed,
}

impl Scrape {
    pub(super) fn new(path: String, authority: String, answer_limit: usize, collector: Collector) -> Self {
        Self {
            path,
            authority,
            answer_limit,
            collector,
            request: Request::Due,
            response: None,
            unused: None,
            is_finishing: false,
        }
    }

    /// Returns the metrics that the endpoint's rules publish.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn published(&self) -> Vec<PublishedMetric> {
        self.collector.published()
    }

    pub(super) fn next_path(&mut self) -> Option<String> {
        let (path, next) = match std::mem::replace(&mut self.request, Request::Due) {
            Request::Due => (self.path.clone(), Request::Sent),
            Request::Redirected(path) => (path, Request::Followed),
            Request::Sent | Request::Followed => return None,
        };
        self.request = next;
        Some(path)
    }

    /// Handles a response that arrived `waited` after it was requested.
    pub(super) fn handle_answer(
        &mut self,
        head: &Head,
        answer: Response,
        waited: Duration,
        now: Now,
    ) -> Result<(), String> {
        let opened = match answer {
            Response::Complete { status: 200, body, .. } => ScrapeResponse::open(head, body, self.answer_limit),
            Response::Complete { status: status @ (301 | 302 | 303 | 307 | 308), .. } => {
                return self.redirect(status, &head.location);
            }
            Response::Complete { status, body, .. } => Err(self.refusal(status, &body)),
            Response::Missing(reason) => Err(reason),
        };
        match opened {
            Ok(response) => {
                self.response = Some(response);
                self.collector.begin(now, waited);
                Ok(())
            }
            Err(reason) => self.fail(reason),
        }
    }

    /// Follows a redirect, once per round.
    fn redirect(&mut self, status: u16, location: &str) -> Result<(), String> {
        let shown = redirect::shown(location);
        match redirect::path_of(location, &self.authority) {
            Some(path) if self.request == Request::Sent => {
                let remark =
                    || format!("it redirects to {shown}, which costs a second request each time; set path to it");
                self.collector.remark("redirect", remark);
                self.request = Request::Redirected(path.to_owned());
                Ok(())
            }
            Some(_) => self.fail(format!(
                "it redirects a second time, with status {status} to {shown}; set path to the final location"
            )),
            None if shown.is_empty() => {
                self.fail(format!("it responds with status {status} but without a location header"))
            }
            None => self.fail(format!(
                "it redirects with status {status} to {shown}, but only redirects within http://{} are followed; set \
                 cluster_name, host and path to the new location",
                self.authority
            )),
        }
    }

    /// Describes a response with an error status.
    fn refusal(&self, status: u16, body: &[u8]) -> String {
        const SHOWN: usize = 100;
        let text = String::from_utf8_lossy(body.get(..body.len().min(4 * SHOWN)).unwrap_or_default());
        let hint = tls_hint(&text);
        let shown: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
        let colon = if shown.is_empty() { "" } else { ": " };
        let host = match status {
            400 | 403 | 404 | 421 => format!(" for {} on host {}", self.path, self.authority),
            _ => String::new(),
        };
        format!("it responds with status {status}{host}{colon}{shown}{hint}")
    }

    fn fail(&mut self, reason: String) -> Result<(), String> {
        (self.response, self.request) = (None, Request::Due);
        Err(reason)
    }

    pub(super) fn is_reading(&self) -> bool {
        self.response.is_some() || self.is_finishing
    }

    pub(super) fn poll_remark(&mut self) -> Option<String> {
        self.collector.poll_remark()
    }

    pub(super) fn read(
        &mut self,
        budget: &mut usize,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> Result<(), String> {
        while *budget > 0 {
            let Some(response) = self.response.take() else { break };
            match self.read_part(response, budget) {
                Ok(response) => self.response = response,
                Err(reason) => {
                    counts.add(self.collector.take_counts());
                    return self.fail(reason);
                }
            }
        }
        if self.response.is_none() && self.is_finishing && *budget > 0 {
            self.is_finishing = !self.collector.finish(budget, data);
        }
        counts.add(self.collector.take_counts());
        Ok(())
    }

    /// Reads a part of a response. Returns the response if there is more to read.
    fn read_part(&mut self, response: ScrapeResponse, budget: &mut usize) -> Result<Option<ScrapeResponse>, String> {
        Ok(match response {
            ScrapeResponse::Compressed(mut compressed) => match compressed.read(budget)? {
                Some(text) => Some(ScrapeResponse::Text(text)),
                None => Some(ScrapeResponse::Compressed(compressed)),
            },
            ScrapeResponse::Text(mut text) => match text.read(budget, &mut self.collector)? {
                false => Some(ScrapeResponse::Text(text)),
                true => {
                    self.is_finishing = true;
                    self.unused = UnusedRules::new(self.collector.take_unused_rules());
                    text.rewind();
                    self.unused.is_some().then_some(ScrapeResponse::Names(text))
                }
            },
            ScrapeResponse::Names(mut text) => {
                let Some(unused) = &mut self.unused else { return Ok(None) };
                if !text.read_names(budget, &mut |written, name| unused.compare(written, name)) {
                    return Ok(Some(ScrapeResponse::Names(text)));
                }
                self.collector.remark("unused", || unused.remark());
                self.unused = None;
                None
            }
        })
    }
}

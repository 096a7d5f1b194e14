//! The key `scrape` of the configuration.

use std::time::Duration;

use acpw_config::{Faults, Field, Members, ShortOr};

use super::Scrape;
use crate::{
    config::is_host,
    source::{
        Publish, Reader, SourceConfig,
        collector::Collector,
        config::Environment,
        key::namespace,
        rule::{RawRule, RawRuleDimension, dimensions, rules},
    },
};

/// The longest that an answer may take.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);

acpw_config::object! {
    /// A Prometheus endpoint.
    pub struct RawScrape {
        /// The name of the Envoy cluster that leads to it. Required.
        cluster_name: String,
        /// The path, with its query if it needs one. Default: `/metrics`.
        path: String,
        /// The host that it is asked for. Default: the name of the cluster.
        host: String,
        /// The time between two requests, 1,000 to 3,600,000. An answer may take as long, but no longer than ten seconds.
        /// Default: 10000.
        interval_millisecond: u64,
        /// How many bytes of an answer are taken in, 1,024 to 16,777,216; one that is longer is refused. Default: 1048576.
        answer_limit_bytes: u64,
        /// How many series of it are published or go into what is published, 1 to 20,000; what needs others too is not
        /// published, and they are counted. Default: 1000.
        max_series: u64,
        /// The namespace of its metrics. Default: the receiver's `metric_namespace`.
        metric_namespace: String,
        /// Dimensions of all of its metrics, by their names: a text that is always the same, or an object that tells where the
        /// value comes from. Default: none.
        dimensions: Members<ShortOr<RawRuleDimension>>,
        /// Which metrics are published, and as what: 1 to 1,000 rules. Required.
        rules: Vec<Field<RawRule>>,
    }
}

impl RawScrape {
    pub(in crate::source) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        faults: &mut Faults,
    ) -> Option<(SourceConfig, Reader)> {
        let key = |key: &str| [path, ".", key].concat();
        let cluster = self.cluster_name.required(key("cluster_name"), faults);
        let target = self.path.optional(key("path"), faults).unwrap_or_else(|| "/metrics".to_owned());
        if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            faults.add(key("path"), "must begin with \"/\" and have neither spaces nor characters beyond ASCII");
        }
        let host = self.host.optional(key("host"), faults);
        if host.as_deref().is_some_and(|host| !is_host(host)) {
            faults.add(key("host"), "is not a host; write a name or address, with or without a port");
        }
        let interval =
            self.interval_millisecond.within(&key("interval_millisecond"), 1_000..=3_600_000, 10_000, faults);
        let interval = Duration::from_millis(interval);
        let limit = self.answer_limit_bytes.within(&key("answer_limit_bytes"), 1 << 10..=1 << 24, 1 << 20, faults);
        let max_series = self.max_series.within(&key("max_series"), 1..=20_000, 1_000, faults);
        let namespace = namespace(self.metric_namespace, &key("metric_namespace"), faults);
        let fixed = dimensions(self.dimensions, &key("dimensions"), environment, faults);
        let rules = rules(self.rules, &fixed, &key("rules"), environment, faults);
        let cluster = cluster?;
        let config = SourceConfig {
            name: path.to_owned(),
            authority: host.unwrap_or_else(|| cluster.clone()),
            cluster,
            interval,
            timeout: interval.min(MAX_TIMEOUT),
            answer_limit: usize::try_from(limit).unwrap_or(usize::MAX),
            publish: Publish::Interval,
        };
        let max_series = usize::try_from(max_series).unwrap_or(usize::MAX);
        let collector = Collector::new(rules, max_series, namespace);
        Some((config, Reader::Scrape(Box::new(Scrape::new(target, collector)))))
    }
}

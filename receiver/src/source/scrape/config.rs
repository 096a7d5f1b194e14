//! Validates the key `scrape` of the configuration.

use std::time::Duration;

use acpw_config::{Field, Members, ShortOr, ValidationErrors};

use super::Scrape;
use crate::{
    endpoint::is_host,
    environment::Environment,
    source::{
        Publish, Reader, SourceConfig,
        collector::Collector,
        raw_rule::{RawRule, RawRuleDimension, dimensions, rules},
        shared_keys::namespace,
    },
};

/// The largest time limit for a response.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum length of a host name, and of a part between dots (RFC 1123).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

acpw_config::object! {
    /// A Prometheus endpoint.
    pub struct RawScrape {
        /// The name of the Envoy cluster of the endpoint. Required.
        cluster_name: String,
        /// The path, with its query if it needs one. Default: `/metrics`.
        path: String,
        /// The host in requests. Default: the name of the cluster, with a hyphen in place of each character that is not
        /// allowed in a host name. For an Istio cluster, the host in its name.
        host: String,
        /// The time between two requests, 1,000 to 3,600,000. It is also the time limit for a response, up to ten
        /// seconds. Default: 10000.
        interval_millisecond: u64,
        /// The maximum size of a response, 1,024 to 16,777,216. A longer one is refused. Default: 1048576.
        answer_limit_bytes: u64,
        /// The maximum number of the endpoint's series to read, 1 to 20,000. Others are counted; data that needs them
        /// is not published. Default: 1000.
        max_series: u64,
        /// The namespace of the metrics. Default: the receiver's `metric_namespace`.
        metric_namespace: String,
        /// Dimensions of all metrics, by name: a constant text, or an object with the source of the value. Default:
        /// none.
        dimensions: Members<ShortOr<RawRuleDimension>>,
        /// The rules that select the metrics to publish, 1 to 1,000. Required.
        rules: Vec<Field<RawRule>>,
    }
}

impl RawScrape {
    pub(in crate::source) fn check(
        self,
        path: &str,
        environment: Environment<'_>,
        errors: &mut ValidationErrors,
    ) -> Option<(SourceConfig, Reader)> {
        let key = |key: &str| [path, ".", key].concat();
        let cluster = self.cluster_name.required(key("cluster_name"), errors);
        let target = self.path.optional(key("path"), errors).unwrap_or_else(|| "/metrics".to_owned());
        if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            errors.add(key("path"), "must start with \"/\" and must not contain spaces or non-ASCII characters");
        }
        let host = self.host.optional(key("host"), errors);
        if host.as_deref().is_some_and(|host| !is_host(host)) {
            errors.add(key("host"), "must be a host name or address, optionally with a port");
        }
        let interval =
            self.interval_millisecond.within(&key("interval_millisecond"), 1_000..=3_600_000, 10_000, errors);
        let interval = Duration::from_millis(interval);
        let limit = self.answer_limit_bytes.within(&key("answer_limit_bytes"), 1 << 10..=1 << 24, 1 << 20, errors);
        let max_series = self.max_series.within(&key("max_series"), 1..=20_000, 1_000, errors);
        let namespace = namespace(self.metric_namespace, &key("metric_namespace"), errors);
        let fixed = dimensions(self.dimensions, &key("dimensions"), environment, errors);
        let rules = rules(self.rules, &fixed, &key("rules"), environment, errors);
        let cluster = cluster?;
        let authority = host.unwrap_or_else(|| default_host(&cluster));
        let answer_limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let config = SourceConfig {
            name: path.to_owned(),
            authority: authority.clone(),
            cluster,
            interval,
            timeout: interval.min(MAX_TIMEOUT),
            answer_limit,
            publish: Publish::Interval,
        };
        let max_series = usize::try_from(max_series).unwrap_or(usize::MAX);
        let collector = Collector::new(rules, max_series, namespace);
        let scrape = Scrape::new(target, authority, answer_limit, collector);
        Some((config, Reader::Scrape(Box::new(scrape))))
    }
}

/// Returns a valid host name (RFC 1123) for a cluster. Tomcat, Django and Go's routers respond with 400 to any other.
fn default_host(cluster: &str) -> String {
    // Istio names clusters like `outbound|9090||shop.default.svc.cluster.local`.
    let name = cluster.rsplit('|').find(|part| !part.is_empty()).unwrap_or_default();
    let valid = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().map(valid).take(MAX_HOST).collect();
    let labels = name.split('.').map(|label| {
        let label = label.trim_matches('-');
        label.get(..label.len().min(MAX_LABEL)).unwrap_or_default().trim_end_matches('-')
    });
    let host = labels.filter(|label| !label.is_empty()).collect::<Vec<_>>().join(".");
    if host.is_empty() { "localhost".to_owned() } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_host_is_a_valid_name() {
        for (cluster, host) in [
            ("app", "app"),
            ("shop_metrics", "shop-metrics"),
            ("_app_", "app"),
            ("outbound|9090||shop.default.svc.cluster.local", "shop.default.svc.cluster.local"),
            ("inbound|9090||", "9090"),
            ("a..b", "a.b"),
            ("\u{e4}_\u{e4}", "localhost"),
            ("", "localhost"),
        ] {
            assert_eq!(default_host(cluster), host, "{cluster}");
        }
        assert_eq!(default_host(&"a".repeat(300)).len(), MAX_LABEL);
    }
}

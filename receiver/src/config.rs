//! The receiver's configuration.

use std::time::Duration;

use acpw_config::{Field, OrNull, Secret, ValidationErrors, comma_separated, object, read};
use acpw_metric::{MetricName, Namespace, PublishTo, REQUEST_METRICS};

use crate::{
    credentials::{LegacyKeys, Provider, RawProviders, RegionSource},
    endpoint::{Region, is_host, region_of_host},
    otlp::{Authentication, OtlpConfig, RawOtlpEndpoint},
    source::{RawSources, Reader, SourceConfig, ecs::RawEcsTask, envoy::RawEnvoyStats, scrape::RawScrape, shared_keys},
};

/// The metric that `metric_name` renames.
const REQUEST_COUNT: &str = "RequestCount";

object! {
    /// Configuration of receiver.wasm.
    pub struct RawReceiverConfig {
        /// The region of CloudWatch, such as `us-east-1`. Default: the environment variable `AWS_REGION`, else
        /// `AWS_DEFAULT_REGION`, else the region of the EC2 instance where `credentials` have the provider `imds`. Not
        /// required if data are published to an OTLP endpoint only, and `otlp.signing` is not `sigv4`.
        cloud_watch_region: String,
        /// The name of Envoy's cluster for CloudWatch. Required unless `publish_to` is `["otlp"]`.
        cloud_watch_cluster_name: String,
        /// The host of CloudWatch's API, such as the name of a VPC endpoint or the address of a local CloudWatch.
        /// Default: `monitoring.REGION.amazonaws.com`, with the domain of the region's partition.
        cloud_watch_host: String,
        /// A credential provider, or a list of providers of which the first one with credentials is used. Default: the
        /// three keys that follow; without any of them, the provider `environment`.
        credentials: RawProviders,
        /// The access key's ID. Required here or in the environment variable `ACPW_AWS_ACCESS_KEY_ID`, else
        /// `AWS_ACCESS_KEY_ID`.
        aws_access_key_id: String,
        /// The access key's secret. Required here or in the environment variable `ACPW_AWS_SECRET_ACCESS_KEY`, else
        /// `AWS_SECRET_ACCESS_KEY`.
        aws_secret_access_key: Secret,
        /// The session token of temporary credentials. Default: the environment variable `ACPW_AWS_SESSION_TOKEN`, else
        /// `AWS_SESSION_TOKEN`.
        aws_session_token: Secret,
        /// The timeout of requests to CloudWatch, 100 to 60,000. Default: 5000.
        http_request_timeout_millisecond: u64,
        /// The services to which data are published: `cloudwatch`, `otlp`, or both. A sender and a source may name
        /// others for their metrics. Default: `["cloudwatch"]`.
        publish_to: Vec<Field<String>>,
        /// An OTLP endpoint: CloudWatch's, an OpenTelemetry Collector, or another one. Required if `publish_to` has
        /// `otlp`.
        otlp: RawOtlpEndpoint,
        /// The namespace of the metrics. Default: `AWSCloudWatchProxyWasm`.
        metric_namespace: String,
        /// The name under which RequestCount is published. Default: `RequestCount`.
        metric_name: String,
        /// The time between two publications under steady traffic, 1,000 to 3,600,000. After a quiet time the first
        /// data is published within two seconds. Default: 60000.
        publish_interval_millisecond: u64,
        /// The maximum memory of unpublished data in bytes, 65,536 to 268,435,456. At the limit, old minutes are merged
        /// into five minutes, then into hours; then the oldest data is dropped and counted. Default: 8388608.
        buffer_limit_bytes: u64,
        /// The maximum number of series of all senders together, 1 to 1,000,000; `null` for no limit. Values of further
        /// series are counted in one series whose dimensions are `__other__`, so totals stay exact. A series without
        /// values for an hour makes room. Default: 5000.
        max_series: OrNull<u64>,
        /// The treatment of data that was sent and got no answer, so that CloudWatch may have stored it: `retry` sends
        /// it again, and it may count twice; `drop` drops it, and it may be lost. Both cases are counted. Default:
        /// `retry`.
        on_unknown_outcome: String,
        /// The name of Envoy's cluster for its own admin interface. The receiver then asks it every second whether
        /// Envoy is being drained, and publishes every second while it is. Default: it does not ask.
        admin_cluster_name: String,
        /// If true, the receiver's own counters are published too, once per interval. Default: false.
        self_metrics: bool,
        /// The container stats of the Amazon ECS task that Envoy runs in. Default: none.
        ecs_task: RawEcsTask,
        /// Prometheus endpoints. Default: none.
        scrape: Vec<Field<RawScrape>>,
        /// Envoy's own stats. Default: none.
        envoy_stats: RawEnvoyStats,
    }
}

/// A valid configuration.
#[derive(Debug)]
pub struct ReceiverConfig {
    /// The region to publish to and sign for.
    pub region: RegionSource,
    /// The credential providers, in the order in which they are tried. There is at least one.
    pub credentials: Vec<Provider>,
    /// Envoy's cluster for CloudWatch, or an empty text if no data is published there.
    pub cluster: String,
    /// The host of CloudWatch's API, if it is not the one of the region.
    pub host: Option<String>,
    /// The time within which CloudWatch must answer.
    pub timeout: Duration,
    /// The namespace of records without a namespace.
    pub namespace: Namespace,
    /// The name under which RequestCount is published.
    pub request_count_name: MetricName,
    /// The time between two publications.
    pub publish_interval: Duration,
    /// The maximum memory of unpublished data in bytes.
    pub buffer_limit: usize,
    /// The maximum number of series of all senders.
    pub max_series: Option<usize>,
    /// The treatment of data that got no answer.
    pub on_unknown_outcome: OnUnknownOutcome,
    /// Envoy's cluster for its admin interface.
    pub admin_cluster: Option<String>,
    /// True if the receiver's own counters are published.
    pub self_metrics: bool,
    /// The services to which data are published unless their sender or source names others.
    pub publish_to: PublishTo,
    /// The OTLP endpoint, if one is configured.
    pub otlp: Option<OtlpConfig>,
    /// The sources to poll.
    pub sources: Vec<(SourceConfig, Reader)>,
}

/// The treatment of data that was sent and got no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknownOutcome {
    /// Send the data again. It may count twice.
    #[default]
    Retry,
    /// Drop the data. It may be lost.
    Drop,
}

impl ReceiverConfig {
    /// Describes the configuration in one line for the log. `release` is the version and commit of the module.
    pub fn summary(&self, release: &str) -> String {
        let host = self.host();
        let host = host.as_deref().unwrap_or("CloudWatch");
        let target = match (&self.region, &self.otlp) {
            (RegionSource::Known(region), _) => format!("{host} of {}", region.as_str()),
            (RegionSource::Imds(_), _) => format!("{host} of the instance's region"),
            (RegionSource::NotNeeded, otlp) => {
                otlp.as_ref().and_then(|otlp| otlp.host.clone()).unwrap_or_else(|| host.to_owned())
            }
        };
        format!(
            "{release} publishes {} to {target} every {} ms with credentials from {}",
            self.namespace,
            self.publish_interval.as_millis(),
            comma_separated(&mut self.credentials.iter().map(Provider::name))
        )
    }

    /// Parses a plugin configuration. `environment` returns the value of a variable.
    ///
    /// # Errors
    /// All validation errors, each with the path of its key. No error contains a secret.
    pub fn from_json(document: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, ValidationErrors> {
        let (raw, mut errors) = read::<RawReceiverConfig>(document)?;
        let environment: &dyn Fn(&str) -> Option<String> = &environment;
        let region = raw.cloud_watch_region.optional("cloud_watch_region", &mut errors);
        let publish_to = shared_keys::publish_to(raw.publish_to, "publish_to", &mut errors);
        let publish_to = publish_to.unwrap_or(PublishTo::CLOUDWATCH);
        let otlp_errors = errors.count();
        let otlp = raw.otlp.optional("otlp", &mut errors).and_then(|raw| raw.check(environment, &mut errors));
        let is_otlp_valid = errors.count() == otlp_errors;
        let cluster = if publish_to.cloudwatch {
            raw.cloud_watch_cluster_name.required("cloud_watch_cluster_name", &mut errors)
        } else {
            let optional = raw.cloud_watch_cluster_name.optional("cloud_watch_cluster_name", &mut errors);
            optional.or_else(|| Some(String::new()))
        };
        if publish_to.cloudwatch {
            check_cluster(cluster.as_deref(), "cloud_watch_cluster_name", &mut errors);
        }
        let host = raw.cloud_watch_host.optional("cloud_watch_host", &mut errors);
        let keys = LegacyKeys {
            access_key_id: raw.aws_access_key_id.optional("aws_access_key_id", &mut errors),
            secret_access_key: raw.aws_secret_access_key.optional("aws_secret_access_key", &mut errors),
            session_token: raw.aws_session_token.optional("aws_session_token", &mut errors),
        };
        let is_signed = |otlp: &OtlpConfig| otlp.authentication == Authentication::SigV4;
        let is_aws_needed = cluster.as_deref() != Some("") || otlp.as_ref().is_none_or(is_signed);
        let credentials = match raw.credentials.optional("credentials", &mut errors) {
            Some(providers) => {
                keys.refuse(&mut errors);
                providers.check(environment, &mut errors)
            }
            // Neither CloudWatch nor a signed endpoint needs credentials.
            None if !is_aws_needed => Some(vec![Provider::Envoy]),
            None => keys.provider(environment, &mut errors).map(|provider| vec![provider]),
        };
        let imds_cluster = credentials.iter().flatten().find_map(Provider::imds_cluster);
        let region = RegionSource::new(region, is_aws_needed, environment, imds_cluster, &mut errors);
        if matches!(region, Some(RegionSource::NotNeeded)) && otlp.as_ref().is_some_and(|otlp| otlp.host.is_none()) {
            errors.add("otlp.host", "is required without cloud_watch_region; set it, or set cloud_watch_region");
        }
        if let Some(host) = &host {
            check_host(host, region.as_ref().and_then(RegionSource::region), &mut errors);
        }
        let namespace = raw.metric_namespace.optional("metric_namespace", &mut errors);
        let namespace = Namespace::new(namespace.as_deref().unwrap_or("AWSCloudWatchProxyWasm"));
        let name = raw.metric_name.optional("metric_name", &mut errors);
        let name = MetricName::new(name.as_deref().unwrap_or(REQUEST_COUNT));
        let namespace = errors.checked("metric_namespace", namespace);
        let request_count_name = errors.checked("metric_name", name);
        if let Some(name) = &request_count_name {
            check_name(name.as_str(), &mut errors);
        }
        let timeout = raw.http_request_timeout_millisecond.within(
            "http_request_timeout_millisecond",
            100..=60_000,
            5_000,
            &mut errors,
        );
        let publish_interval = raw.publish_interval_millisecond.within(
            "publish_interval_millisecond",
            1_000..=3_600_000,
            60_000,
            &mut errors,
        );
        let max_series = raw.max_series.within_or_null("max_series", 1..=1_000_000, 5_000, &mut errors);
        let buffer_limit = raw.buffer_limit_bytes.within("buffer_limit_bytes", 1 << 16..=1 << 28, 8 << 20, &mut errors);
        let on_unknown_outcome = match raw.on_unknown_outcome.optional("on_unknown_outcome", &mut errors).as_deref() {
            None | Some("retry") => OnUnknownOutcome::Retry,
            Some("drop") => OnUnknownOutcome::Drop,
            Some(_) => {
                errors.add("on_unknown_outcome", "must be \"retry\" or \"drop\"");
                OnUnknownOutcome::default()
            }
        };
        let admin_cluster = raw.admin_cluster_name.optional("admin_cluster_name", &mut errors);
        check_cluster(admin_cluster.as_deref(), "admin_cluster_name", &mut errors);
        let self_metrics = raw.self_metrics.optional("self_metrics", &mut errors).unwrap_or(false);
        let sources = RawSources { ecs_task: raw.ecs_task, scrape: raw.scrape, envoy_stats: raw.envoy_stats };
        let sources = sources.check(environment, &mut errors);
        if is_otlp_valid {
            // An empty name has an error of its own.
            let has_cloudwatch = publish_to.cloudwatch || cluster.as_deref() != Some("");
            let has = PublishTo { cloudwatch: has_cloudwatch, otlp: otlp.is_some() };
            check_publish_to(publish_to, "publish_to", has, &mut errors);
            for (source, _) in &sources {
                if let Some(publish_to) = source.publish_to {
                    check_publish_to(publish_to, &format!("{}.publish_to", source.name), has, &mut errors);
                }
            }
        }

        let (Some(region), Some(credentials), Some(cluster), Some(namespace), Some(request_count_name)) =
            (region, credentials, cluster, namespace, request_count_name)
        else {
            return Err(errors);
        };
        errors.into_result(Self {
            region,
            host,
            credentials,
            cluster,
            timeout: Duration::from_millis(timeout),
            namespace,
            request_count_name,
            publish_interval: Duration::from_millis(publish_interval),
            max_series: max_series.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            buffer_limit: usize::try_from(buffer_limit).unwrap_or(usize::MAX),
            on_unknown_outcome,
            admin_cluster,
            self_metrics,
            publish_to,
            otlp,
            sources,
        })
    }

    /// Returns the host of CloudWatch's API, once the region is known.
    pub fn host(&self) -> Option<String> {
        let of_region = || self.region.region().map(Region::cloud_watch_host);
        self.host.clone().or_else(of_region)
    }
}

/// Adds an error if RequestCount would be published under the name of another metric, because the two would mix.
fn check_name(name: &str, errors: &mut ValidationErrors) {
    let mut others = REQUEST_METRICS.iter().filter(|other| **other != REQUEST_COUNT);
    if others.any(|other| *other == name) {
        errors.add(
            "metric_name",
            format_args!("\"{name}\" is the name of another metric; RequestCount would mix with it"),
        );
    }
}

/// Adds an error for each service of the key at `path` that is not configured.
fn check_publish_to(publish_to: PublishTo, path: &str, has: PublishTo, errors: &mut ValidationErrors) {
    if publish_to.otlp && !has.otlp {
        errors.add(path, "names otlp, which is not configured; add otlp, or remove the name from this list");
    }
    if publish_to.cloudwatch && !has.cloudwatch {
        errors.add(
            path,
            "names cloudwatch, which is not configured; add cloud_watch_cluster_name, or remove the name from this list",
        );
    }
}

fn check_cluster(name: Option<&str>, key: &str, errors: &mut ValidationErrors) {
    if name == Some("") {
        errors.add(key, "is empty; it must be the name of a cluster");
    }
}

/// Checks the host. It is part of the signature, so it is sent unchanged, and a host of AWS must be in the signed
/// region.
fn check_host(host: &str, region: Option<&Region>, errors: &mut ValidationErrors) {
    if !is_host(host) {
        let message =
            format!("\"{}\" is not a host; write a name or address, with or without a port", host.escape_default());
        errors.add("cloud_watch_host", message);
    } else if let (Some(other), Some(region)) = (region_of_host(host), region)
        && other != *region
    {
        let (region, other) = (region.as_str(), other.as_str());
        errors.add("cloud_watch_host", format_args!("is of the region {other}, but cloud_watch_region is {region}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(document: &str) -> Result<ReceiverConfig, ValidationErrors> {
        let keys = [("ACPW_AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("ACPW_AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")];
        ReceiverConfig::from_json(document.as_bytes(), |name| {
            keys.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn errors(document: &str) -> Vec<String> {
        config(document).unwrap_err().lines().collect()
    }

    #[test]
    fn a_configuration_of_the_first_acpw_is_valid() {
        let document = r#"{
            "cloud_watch_region": "ap-northeast-1", "cloud_watch_cluster_name": "monitoring",
            "aws_access_key_id": "", "aws_secret_access_key": "", "http_request_timeout_millisecond": 3000,
            "metric_namespace": "AWSCloudWatchProxyWasm-dev", "metric_name": "Requests"
        }"#;
        let config = config(document).unwrap();
        assert_eq!(config.host().unwrap(), "monitoring.ap-northeast-1.amazonaws.com");
        assert_eq!(config.cluster, "monitoring");
        assert_eq!(config.timeout, Duration::from_secs(3));
        assert_eq!(config.namespace.as_str(), "AWSCloudWatchProxyWasm-dev");
        assert_eq!(config.request_count_name.as_str(), "Requests");
        let [Provider::Environment(set)] = config.credentials.as_slice() else { panic!("{config:?}") };
        assert_eq!(set.credentials.access_key_id(), "AKIDEXAMPLE");
    }

    #[test]
    fn without_credentials_the_keys_come_from_the_environment() {
        let of = |extra: &str, variables: &[(&str, &str)]| {
            let document = format!(r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c" {extra}}}"#);
            let config = ReceiverConfig::from_json(document.as_bytes(), |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            config.map(|config| match config.credentials.as_slice() {
                [provider @ (Provider::Static(set) | Provider::Environment(set))] => {
                    (provider.name(), set.credentials.access_key_id().to_owned())
                }
                other => panic!("{other:?}"),
            })
        };
        let aws = [("AWS_ACCESS_KEY_ID", "AKIDAWS"), ("AWS_SECRET_ACCESS_KEY", "aws"), ("AWS_SESSION_TOKEN", "t")];
        let both = [aws.as_slice(), &[("ACPW_AWS_ACCESS_KEY_ID", "AKIDACPW"), ("ACPW_AWS_SECRET_ACCESS_KEY", "s")]];
        assert_eq!(of("", &aws).unwrap(), ("environment", "AKIDAWS".to_owned()));
        assert_eq!(of("", &both.concat()).unwrap(), ("environment", "AKIDACPW".to_owned()));
        assert_eq!(of(r#", "aws_access_key_id": """#, &aws).unwrap(), ("environment", "AKIDAWS".to_owned()));
        let keys = r#", "aws_access_key_id": "AKIDHERE", "aws_secret_access_key": "s""#;
        assert_eq!(of(keys, &aws).unwrap(), ("static", "AKIDHERE".to_owned()));
        // The secret of another key is not combined with this one.
        let half = of(r#", "aws_access_key_id": "AKIDHERE""#, &aws).unwrap_err().to_string();
        assert!(half.contains("aws_secret_access_key: is required"), "{half}");
        let half = of("", &aws[..1]).unwrap_err().to_string();
        assert!(half.contains("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not; set both"), "{half}");
        let none = of("", &[]).unwrap_err().to_string();
        assert!(none.contains("ACPW_AWS_ACCESS_KEY_ID or AWS_ACCESS_KEY_ID"), "{none}");
    }

    #[test]
    fn defaults_are_those_documented() {
        let config = config(r#"{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c"}"#).unwrap();
        assert_eq!(config.timeout, Duration::from_secs(5));
        assert_eq!(config.namespace.as_str(), "AWSCloudWatchProxyWasm");
        assert_eq!(config.request_count_name.as_str(), "RequestCount");
        assert_eq!(config.publish_interval, Duration::from_secs(60));
        assert_eq!(config.buffer_limit, 8 * 1024 * 1024);
        assert_eq!(config.on_unknown_outcome, OnUnknownOutcome::Retry);
        assert_eq!((config.admin_cluster, config.self_metrics), (None, false));
    }

    #[test]
    fn every_error_is_reported_with_its_path() {
        let document = r#"{
            "cloud_watch_region": "nowhere", "cloud_watch_host": "http://x", "aws_secret_access_key": 12345678,
            "metric_namespace": "AWS/EC2", "metric_name": "", "publish_interval_millisecond": 999,
            "buffer_limit_bytes": "8M", "on_unknown_outcome": "hope", "region": "us-east-1"
        }"#;
        let errors = errors(document);
        let starts = [
            "region: unknown key; known keys are cloud_watch_region, ",
            "cloud_watch_cluster_name: is required",
            "aws_secret_access_key: must be a string",
            "cloud_watch_region: \"nowhere\" is not a region",
            "cloud_watch_host: \"http://x\" is not a host",
            "metric_namespace: must not start with \"AWS/\"",
            "metric_name: must have at least one character",
            "publish_interval_millisecond: must be between 1000 and 3600000, got 999",
            "buffer_limit_bytes: must be a whole number",
            "on_unknown_outcome: must be \"retry\" or \"drop\"",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn request_count_must_not_have_the_name_of_another_metric() {
        let document = |name: &str| {
            format!(
                r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "metric_name": "{name}"}}"#
            )
        };
        for name in REQUEST_METRICS.iter().filter(|name| **name != "RequestCount") {
            let expected =
                format!("metric_name: \"{name}\" is the name of another metric; RequestCount would mix with it");
            assert_eq!(errors(&document(name)), [expected]);
        }
        for name in ["RequestCount", "Requests", "latency"] {
            assert!(config(&document(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn no_region_is_needed_if_nothing_is_published_to_aws() {
        let document = |otlp: &str| format!(r#"{{"publish_to": ["otlp"], "otlp": {{"cluster_name": "c" {otlp}}}}}"#);
        let collector = document(r#", "host": "collector:4318", "signing": "none""#);
        let valid = config(&collector).unwrap();
        assert!(valid.region.region().is_none());
        assert_eq!(
            valid.summary("v1"),
            "v1 publishes AWSCloudWatchProxyWasm to collector:4318 every 60000 ms with credentials from envoy"
        );
        assert_eq!(
            errors(&document(r#", "signing": "none""#)),
            ["otlp.host: is required without cloud_watch_region; set it, or set cloud_watch_region"]
        );
        let is_required = "cloud_watch_region: is required: set it here";
        assert!(errors(&document(r#", "host": "collector:4318""#))[0].starts_with(is_required));
        let both = collector.replacen('{', r#"{"cloud_watch_cluster_name": "c", "#, 1);
        assert!(errors(&both)[0].starts_with(is_required));
        // With a region, the host has a default.
        let with_region =
            document(r#", "signing": "none""#).replacen('{', r#"{"cloud_watch_region": "us-east-1", "#, 1);
        assert!(config(&with_region).is_ok());
    }

    #[test]
    fn an_empty_cluster_name_is_refused() {
        let document =
            r#"{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "", "admin_cluster_name": ""}"#;
        assert_eq!(
            errors(document),
            [
                "cloud_watch_cluster_name: is empty; it must be the name of a cluster",
                "admin_cluster_name: is empty; it must be the name of a cluster",
            ]
        );
    }

    #[test]
    fn a_host_of_another_region_is_refused() {
        let document = |host: &str| {
            format!(
                r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", "cloud_watch_host": "{host}"}}"#
            )
        };
        assert_eq!(
            errors(&document("monitoring.eu-west-1.amazonaws.com")),
            ["cloud_watch_host: is of the region eu-west-1, but cloud_watch_region is us-east-1"]
        );
        assert!(errors(&document("a b"))[0].starts_with("cloud_watch_host: \"a b\" is not a host"));
        for host in ["127.0.0.1:4582", "[::1]:4582", "vpce-1.monitoring.us-east-1.vpce.amazonaws.com"] {
            assert_eq!(config(&document(host)).unwrap().host().unwrap(), host);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let document = r#"{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c",
            "aws_secret_access_key": "hunter2hunter2", "aws_session_token": "tokentoken"}"#;
        let shown = format!("{:?}", config(document).unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("tokentoken"), "{shown}");
    }
}

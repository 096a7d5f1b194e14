//! The configuration as it is written in JSON.

use acpw_config::{Field, Members, ShortOr, object};

object! {
    /// Configuration of sender.wasm.
    pub struct RawSenderConfig {
        /// The `vm_id` in the receiver's `vm_config`. Required.
        receiver_vm_id: String,
        /// Hosts whose requests are counted: a name (`example.com`) or a wildcard for all subdomains (`*.example.com`),
        /// either with a port (`example.com:8080`). Case is ignored, and so is the port of a request unless the entry
        /// has one. Default: all hosts.
        match_hosts: Vec<Field<String>>,
        /// The interval in milliseconds at which each worker passes data to the receiver, 100 to 60,000; at most 1,000
        /// with a metric of storage resolution 1, RequestsInProgress or ConcurrencyUtilization. Default: 1000.
        flush_interval_millisecond: u64,
        /// The maximum number of series per worker, 1 to 100,000. Further requests are counted in one overflow series
        /// per dimension set, whose dimensions have the value `__other__`, except for constants. A series is removed
        /// after it was idle for an hour. Default: 1000.
        max_series: u64,
        /// The metrics to publish, see docs/metrics.md. Each entry is a name, or an object with a name and a storage
        /// resolution. Default: `["RequestCount"]`.
        metrics: Vec<Field<ShortOr<RawMetric>>>,
        /// The unit of Latency and TargetResponseTime: `Milliseconds`, or `Seconds` as in ALB metrics. Default:
        /// `Milliseconds`.
        time_unit: String,
        /// The number of concurrent requests at which ConcurrencyUtilization is 100 %, for the whole Envoy, 1 to
        /// 1,000,000. Required by that metric.
        concurrency: u64,
        /// Custom dimensions by name, in addition to the built-in ones (`host`, `method`, `path`, `path_template`,
        /// `status`, `status_class`, `route`, `cluster`, `virtual_host`). Each is a constant, or an object that defines
        /// the source of the value. Default: none.
        dimensions: Members<ShortOr<RawDimensionDefinition>>,
        /// Lists of dimension names, at most 32 lists of at most 30 names. Each request is counted once per list; `[]`
        /// counts all requests together. Default: `[["host", "method", "path", "status"]]`.
        dimension_sets: Vec<Field<Vec<Field<String>>>>,
        /// Path templates, such as `/users/{id}/orders/{order}`. The value of the dimension `path_template` is the
        /// template that matches the path, or `other`. Default: none.
        path_templates: Vec<Field<String>>,
        /// Makes `path_template` the path with `{id}` in place of every segment that is a number, a UUID, or at least
        /// 16 hexadecimal digits. Cannot be combined with `path_templates`. Default: false.
        normalize_path: bool,
        /// Makes the receiver publish zeros for idle series of unit Count, so that alarms have data. Default: no zeros.
        publish_zeros: RawPublishZeros,
        /// The entity under which the CloudWatch console shows the metrics. Default: none.
        entity: RawEntity,
        /// The services to which the receiver publishes the metrics: `cloudwatch`, `otlp`, or both. Default: as in the
        /// receiver's configuration.
        publish_to: Vec<Field<String>>,
    }
}

object! {
    /// A metric and its storage resolution.
    pub struct RawMetric {
        /// The name. Required.
        name: String,
        /// The length of CloudWatch's periods in seconds: 60, or 1 for high resolution. Default: 60.
        storage_resolution: u64,
    }
}

object! {
    /// The source of a dimension's value: exactly one of the keys other than `default`.
    pub struct RawDimensionDefinition {
        /// A constant.
        value: String,
        /// An environment variable in `vm_config.environment_variables`, read when the configuration is loaded.
        environment: String,
        /// A request header.
        request_header: String,
        /// A response header.
        response_header: String,
        /// An Envoy attribute, with dots between the parts of its path: `xds.route_name`.
        property: String,
        /// A built-in dimension, to give it another name or a default.
        built_in: String,
        /// The value of requests that have none. Default: sets with this dimension do not count such requests.
        default: String,
    }
}

object! {
    /// Zeros for idle series.
    pub struct RawPublishZeros {
        /// The number of minutes after its last value for which a series is published as zero, 1 to 1,440. Required.
        minutes: u64,
    }
}

object! {
    /// A CloudWatch entity of type Service.
    pub struct RawEntity {
        /// The name of the service. Required.
        service_name: String,
        /// The environment in which the service runs, such as `eks:production/shop`. Default: `generic:default`.
        environment: String,
    }
}

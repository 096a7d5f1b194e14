//! The configuration as it is written.

use acpw_config::{Field, Members, ShortOr, object};

object! {
    /// Configuration of sender.wasm.
    pub struct RawConfig {
        /// The `vm_id` in the receiver's `vm_config`. Required.
        receiver_vm_id: String,
        /// Hosts whose requests are counted: a name (`example.com`), all names below one (`*.example.com`), either with a
        /// port (`example.com:8080`). Upper and lower case are the same, and the port of a request is ignored unless the
        /// entry has one. Default: every host.
        match_hosts: Vec<Field<String>>,
        /// How often each worker hands what it has observed to the receiver, 100 to 60,000; at most 1,000 with a metric of
        /// storage resolution 1, RequestsInProgress or ConcurrencyUtilization. Default: 1000.
        flush_interval_millisecond: u64,
        /// How many series each worker keeps apart, 1 to 100,000; requests beyond are counted in one series for each
        /// dimension set, whose dimensions are all `__other__` but for constants. A series not seen for an hour makes
        /// room. Default: 1000.
        max_series: u64,
        /// What is measured, by the names in docs/metrics.md; each is a name, or an object with the name and the storage
        /// resolution. Default: `["RequestCount"]`.
        metrics: Vec<Field<ShortOr<RawMetric>>>,
        /// The unit of Latency and TargetResponseTime: `Milliseconds`, or `Seconds` as ALB has it. Default:
        /// `Milliseconds`.
        time_unit: String,
        /// How many requests this Envoy is meant to serve at once, 1 to 1,000,000: what is 100 % of
        /// ConcurrencyUtilization. Required by that metric.
        concurrency: u64,
        /// Dimensions by their names, beside those that are built in (`host`, `method`, `path`, `path_template`, `status`,
        /// `status_class`, `route`, `cluster`, `virtual_host`): a text that is always the same, or an object that tells
        /// where the value comes from. Default: none.
        dimensions: Members<ShortOr<RawDimension>>,
        /// Lists of names of dimensions, at most 32 lists of at most 30 names. Each request counts once in each of them;
        /// `[]` counts all requests together. Default: `[["host", "method", "path", "status"]]`.
        dimension_sets: Vec<Field<Vec<Field<String>>>>,
        /// Shapes of paths, such as `/users/{id}/orders/{order}`. The dimension `path_template` is the one that a path
        /// matches, or `other`. Default: none.
        path_templates: Vec<Field<String>>,
        /// Lets `path_template` be the path with `{id}` for every segment that is a number, a UUID, or 16 or more
        /// hexadecimal digits; not together with `path_templates`. Default: false.
        normalize_path: bool,
        /// Has the receiver publish zeros for the series of unit Count that are quiet, so that alarms do not miss them.
        /// Default: missing data stay missing.
        publish_zeros: RawPublishZeros,
        /// What CloudWatch's console shows the metrics under. Default: nothing.
        entity: RawEntity,
    }
}

object! {
    /// A metric and how it is kept.
    pub struct RawMetric {
        /// Its name. Required.
        name: String,
        /// The length of CloudWatch's periods in seconds: 60 or, for high resolution, 1. Default: 60.
        storage_resolution: u64,
    }
}

object! {
    /// Where the value of a dimension comes from: exactly one of the keys besides `default`.
    pub struct RawDimension {
        /// A text that is always the same.
        value: String,
        /// A variable of `vm_config.environment_variables`, read once.
        environment: String,
        /// A header of the request.
        request_header: String,
        /// A header of the answer.
        response_header: String,
        /// A property of Envoy's, its parts separated by dots: `xds.route_name`.
        property: String,
        /// A dimension that is built in, to give it another name or a default.
        built_in: String,
        /// The value of requests that have none. Default: such requests do not count in sets with this dimension.
        default: String,
    }
}

object! {
    /// Zeros for quiet series.
    pub struct RawPublishZeros {
        /// For how many minutes after its last value a series is published as zero, 1 to 1,440. Required.
        minutes: u64,
    }
}

object! {
    /// A CloudWatch entity of type Service.
    pub struct RawEntity {
        /// The service's name. Required.
        service_name: String,
        /// Where it runs, such as `eks:production/shop`. Default: `generic:default`.
        environment: String,
    }
}

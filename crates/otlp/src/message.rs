//! The messages.

/// The body of an export.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExportMetricsServiceRequest {
    /// The metrics by resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

/// The body of a successful response.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExportMetricsServiceResponse {
    /// The data points that were not accepted, if any.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportMetricsPartialSuccess>,
}

/// The data points that were not accepted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExportMetricsPartialSuccess {
    /// The number of data points that were rejected.
    #[prost(int64, tag = "1")]
    pub rejected_data_points: i64,
    /// The reason, for people.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// The body of a failed response: `google.rpc.Status` without details.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RpcStatus {
    /// The gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The reason, for people.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// The metrics of one resource.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResourceMetrics {
    /// The resource.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// The metrics by scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
}

/// The origin of metrics, such as a service.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    /// The attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// The metrics of one instrumentation scope.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScopeMetrics {
    /// The scope.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
}

/// The library that measured.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InstrumentationScope {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// The attributes.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
}

/// A metric with its data points.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The description.
    #[prost(string, tag = "2")]
    pub description: String,
    /// The unit, in UCUM.
    #[prost(string, tag = "3")]
    pub unit: String,
    /// The data points.
    #[prost(oneof = "metric::Data", tags = "5, 7, 9, 10, 11")]
    pub data: Option<metric::Data>,
}

/// The kinds of a metric.
pub mod metric {
    /// The data points of a metric.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Data {
        /// Values at a time.
        #[prost(message, tag = "5")]
        Gauge(super::Gauge),
        /// Sums of increments.
        #[prost(message, tag = "7")]
        Sum(super::Sum),
        /// Distributions in buckets with explicit bounds.
        #[prost(message, tag = "9")]
        Histogram(super::Histogram),
        /// Distributions in buckets with exponential bounds.
        #[prost(message, tag = "10")]
        ExponentialHistogram(super::ExponentialHistogram),
        /// Quantiles that the client has calculated.
        #[prost(message, tag = "11")]
        Summary(super::Summary),
    }
}

/// The period that a value covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Temporality {
    /// Not given.
    Unspecified = 0,
    /// The time since the last export.
    Delta = 1,
    /// The time since a fixed start.
    Cumulative = 2,
}

/// Values at a time.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gauge {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
}

/// Sums of increments.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sum {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
    /// The period that each value covers.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub aggregation_temporality: i32,
    /// True if the sum never falls.
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

/// Distributions in buckets with explicit bounds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<HistogramDataPoint>,
    /// The period that each distribution covers.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub aggregation_temporality: i32,
}

/// Distributions in buckets with exponential bounds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExponentialHistogram {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<ExponentialHistogramDataPoint>,
    /// The period that each distribution covers.
    #[prost(enumeration = "Temporality", tag = "2")]
    pub aggregation_temporality: i32,
}

/// Quantiles that the client has calculated.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// The data points.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<SummaryDataPoint>,
}

/// A single value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NumberDataPoint {
    /// The attributes.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// The start of the period, in nanoseconds since the Unix epoch; 0 if unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// The time of the value, in nanoseconds since the Unix epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The value.
    #[prost(oneof = "number_data_point::Value", tags = "4, 6")]
    pub value: Option<number_data_point::Value>,
    /// Bit 0: there is no value for this time.
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

/// The value of a [`NumberDataPoint`].
pub mod number_data_point {
    /// A number.
    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A floating-point number.
        #[prost(double, tag = "4")]
        AsDouble(f64),
        /// A whole number.
        #[prost(sfixed64, tag = "6")]
        AsInt(i64),
    }
}

/// A distribution in buckets with explicit bounds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramDataPoint {
    /// The attributes.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// The start of the period, in nanoseconds since the Unix epoch; 0 if unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// The time of the value, in nanoseconds since the Unix epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The number of values.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// The sum of the values.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// The number of values in each bucket: one more than bounds, or none.
    #[prost(fixed64, repeated, tag = "6")]
    pub bucket_counts: Vec<u64>,
    /// The upper bound of each bucket but the last, inclusive.
    #[prost(double, repeated, tag = "7")]
    pub explicit_bounds: Vec<f64>,
    /// Bit 0: there is no value for this time.
    #[prost(uint32, tag = "10")]
    pub flags: u32,
    /// The least value.
    #[prost(double, optional, tag = "11")]
    pub min: Option<f64>,
    /// The greatest value.
    #[prost(double, optional, tag = "12")]
    pub max: Option<f64>,
}

/// A distribution in buckets with exponential bounds: bucket i holds the values in (base^i, base^(i + 1)], where base
/// is 2^(2^-scale).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExponentialHistogramDataPoint {
    /// The attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    /// The start of the period, in nanoseconds since the Unix epoch; 0 if unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// The time of the value, in nanoseconds since the Unix epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The number of values.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// The sum of the values.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// The scale.
    #[prost(sint32, tag = "6")]
    pub scale: i32,
    /// The number of values that are zero, or at most `zero_threshold` from it.
    #[prost(fixed64, tag = "7")]
    pub zero_count: u64,
    /// The buckets of positive values.
    #[prost(message, optional, tag = "8")]
    pub positive: Option<Buckets>,
    /// The buckets of negative values.
    #[prost(message, optional, tag = "9")]
    pub negative: Option<Buckets>,
    /// Bit 0: there is no value for this time.
    #[prost(uint32, tag = "10")]
    pub flags: u32,
    /// The least value.
    #[prost(double, optional, tag = "12")]
    pub min: Option<f64>,
    /// The greatest value.
    #[prost(double, optional, tag = "13")]
    pub max: Option<f64>,
    /// The greatest distance from zero of a value that counts as zero.
    #[prost(double, tag = "14")]
    pub zero_threshold: f64,
}

/// Consecutive buckets.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Buckets {
    /// The index of the first bucket.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// The number of values in each bucket.
    #[prost(uint64, repeated, tag = "2")]
    pub bucket_counts: Vec<u64>,
}

/// Quantiles that the client has calculated.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SummaryDataPoint {
    /// The attributes.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    /// The start of the period, in nanoseconds since the Unix epoch; 0 if unknown.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// The time of the value, in nanoseconds since the Unix epoch.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The number of values.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// The sum of the values.
    #[prost(double, tag = "5")]
    pub sum: f64,
    /// The quantiles.
    #[prost(message, repeated, tag = "6")]
    pub quantile_values: Vec<ValueAtQuantile>,
    /// Bit 0: there is no value for this time.
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

/// A quantile.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueAtQuantile {
    /// The quantile, from 0 to 1.
    #[prost(double, tag = "1")]
    pub quantile: f64,
    /// The value.
    #[prost(double, tag = "2")]
    pub value: f64,
}

/// An attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub struct KeyValue {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AnyValue {
    /// The value.
    #[prost(oneof = "any_value::Value", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub value: Option<any_value::Value>,
}

/// The value of an [`AnyValue`].
pub mod any_value {
    /// A value of one of the types of attributes.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A text.
        #[prost(string, tag = "1")]
        StringValue(String),
        /// A truth value.
        #[prost(bool, tag = "2")]
        BoolValue(bool),
        /// A whole number.
        #[prost(int64, tag = "3")]
        IntValue(i64),
        /// A floating-point number.
        #[prost(double, tag = "4")]
        DoubleValue(f64),
        /// A list.
        #[prost(message, tag = "5")]
        ArrayValue(super::ArrayValue),
        /// A list of attributes.
        #[prost(message, tag = "6")]
        KvlistValue(super::KeyValueList),
        /// Bytes.
        #[prost(bytes, tag = "7")]
        BytesValue(Vec<u8>),
    }
}

/// A list of values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ArrayValue {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}

/// A list of attributes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct KeyValueList {
    /// The attributes.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<KeyValue>,
}

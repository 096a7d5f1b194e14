//! The built-in request metrics. Their names are those of ALB, API Gateway, ECS Service Connect and imgproxy.

use acpw_metric::{MergeRule, Unit};

use crate::stream_info::{StreamAttribute, StreamInfo};

/// A built-in metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinMetric {
    /// 1 for each request.
    RequestCount,
    /// The time from the first byte of the request to the last byte of the response.
    Latency,
    /// The time from the end of the request to the first byte of the upstream's response.
    TargetResponseTime,
    /// 1 for a request answered with a status of this class, otherwise 0.
    Error(u16),
    /// 1 for a request that the upstream answered with a status of this class.
    TargetCode(u16),
    /// 1 for a request that Envoy itself answered with a status of this class.
    EnvoyCode(u16),
    /// The size in bytes of headers and body received from the client.
    RequestBytes,
    /// The size in bytes of headers, body and trailers sent to the client.
    ResponseBytes,
    /// 1 for each gRPC request.
    GrpcRequestCount,
    /// 1 for a gRPC request with a status other than OK, otherwise 0.
    GrpcError,
    /// 1 for a request that failed because Envoy could not connect to the upstream.
    TargetConnectionErrorCount,
    /// The number of attempts after the first.
    RetryCount,
    /// 1 for a request whose client disconnected.
    ClientDisconnectCount,
    /// The number of requests in flight at the end of each second.
    RequestsInProgress,
    /// The number of requests in flight at the end of each second, as a percentage of the configured concurrency.
    ConcurrencyUtilization,
    /// The size in bytes of the response body.
    BufferSize,
    /// The size in bytes of the request body.
    RequestBodySize,
}

/// All metrics with the names under which they are configured and published, in the order of the documentation.
pub const BUILTIN_METRICS: [(&str, BuiltinMetric); 22] = [
    ("RequestCount", BuiltinMetric::RequestCount),
    ("Latency", BuiltinMetric::Latency),
    ("TargetResponseTime", BuiltinMetric::TargetResponseTime),
    ("4XXError", BuiltinMetric::Error(4)),
    ("5XXError", BuiltinMetric::Error(5)),
    ("HTTPCode_Target_2XX_Count", BuiltinMetric::TargetCode(2)),
    ("HTTPCode_Target_3XX_Count", BuiltinMetric::TargetCode(3)),
    ("HTTPCode_Target_4XX_Count", BuiltinMetric::TargetCode(4)),
    ("HTTPCode_Target_5XX_Count", BuiltinMetric::TargetCode(5)),
    ("HTTPCode_Envoy_4XX_Count", BuiltinMetric::EnvoyCode(4)),
    ("HTTPCode_Envoy_5XX_Count", BuiltinMetric::EnvoyCode(5)),
    ("RequestBytes", BuiltinMetric::RequestBytes),
    ("ResponseBytes", BuiltinMetric::ResponseBytes),
    ("GrpcRequestCount", BuiltinMetric::GrpcRequestCount),
    ("GrpcError", BuiltinMetric::GrpcError),
    ("TargetConnectionErrorCount", BuiltinMetric::TargetConnectionErrorCount),
    ("RetryCount", BuiltinMetric::RetryCount),
    ("ClientDisconnectCount", BuiltinMetric::ClientDisconnectCount),
    ("RequestsInProgress", BuiltinMetric::RequestsInProgress),
    ("ConcurrencyUtilization", BuiltinMetric::ConcurrencyUtilization),
    ("BufferSize", BuiltinMetric::BufferSize),
    ("RequestBodySize", BuiltinMetric::RequestBodySize),
];

/// Envoy's response flag `UF`: the connection to the upstream failed.
const UPSTREAM_CONNECTION_FAILURE: i64 = 0x20;

/// Envoy's response flag `DC`: the client closed the connection.
const DOWNSTREAM_CONNECTION_TERMINATION: i64 = 0x4000;

impl BuiltinMetric {
    /// Returns the metric with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        BUILTIN_METRICS.iter().find(|(known, _)| *known == name).map(|(_, metric)| *metric)
    }

    /// Returns the unit of the values. `time` is the configured unit of times.
    pub fn unit(self, time: Unit) -> Unit {
        match self {
            _ if self.is_time() => time,
            Self::RequestBytes | Self::ResponseBytes | Self::BufferSize | Self::RequestBodySize => Unit::BYTES,
            Self::ConcurrencyUtilization => Unit::PERCENT,
            _ => Unit::COUNT,
        }
    }

    /// Returns whether the values are times, whose unit is configurable.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Latency | Self::TargetResponseTime)
    }

    /// Returns the rule by which values of several workers are merged.
    pub fn merge_rule(self) -> MergeRule {
        match self {
            Self::RequestsInProgress | Self::ConcurrencyUtilization => MergeRule::GaugeShares,
            _ => MergeRule::Distribution,
        }
    }

    /// Returns the attributes from which the value is computed.
    pub fn attributes(self) -> &'static [StreamAttribute] {
        match self {
            Self::RequestCount | Self::GrpcRequestCount | Self::RequestsInProgress | Self::ConcurrencyUtilization => {
                &[]
            }
            Self::Latency => &[StreamAttribute::Duration],
            Self::TargetResponseTime => &[StreamAttribute::BackendLatency],
            Self::Error(_) => &[StreamAttribute::Code],
            Self::TargetCode(_) | Self::EnvoyCode(_) => &[StreamAttribute::Code, StreamAttribute::BackendLatency],
            Self::RequestBytes => &[StreamAttribute::RequestSize],
            Self::ResponseBytes => &[StreamAttribute::ResponseSize],
            Self::GrpcError => &[StreamAttribute::GrpcStatus],
            Self::TargetConnectionErrorCount | Self::ClientDisconnectCount => &[StreamAttribute::Flags],
            Self::RetryCount => &[StreamAttribute::Attempts],
            Self::BufferSize => &[StreamAttribute::ResponseBodySize],
            Self::RequestBodySize => &[StreamAttribute::RequestBodySize],
        }
    }

    /// Computes the value for an ended request. Returns `None` if the metric does not apply to the request.
    ///
    /// `time_unit` is the configured unit of times in nanoseconds.
    pub fn value(self, info: &StreamInfo, time_unit: f64) -> Option<f64> {
        let is_class = |class: u16| info.code().is_some_and(|code| code / 100 == class);
        let one_if = |condition: bool| condition.then_some(1.0);
        let number = |attribute| info.get(attribute).filter(|value| *value >= 0).map(|value| value as f64);
        let has_flag = |flag: i64| info.get(StreamAttribute::Flags).unwrap_or(0) & flag != 0;
        match self {
            Self::RequestCount => Some(1.0),
            Self::Latency => Some(number(StreamAttribute::Duration)? / time_unit),
            Self::TargetResponseTime => Some(number(StreamAttribute::BackendLatency)? / time_unit),
            Self::Error(class) => Some(f64::from(u8::from(is_class(class)))),
            Self::TargetCode(class) => one_if(is_class(class) && info.is_answered_by_upstream()),
            Self::EnvoyCode(class) => one_if(is_class(class) && !info.is_answered_by_upstream()),
            Self::RequestBytes => number(StreamAttribute::RequestSize),
            Self::ResponseBytes => number(StreamAttribute::ResponseSize),
            Self::BufferSize => number(StreamAttribute::ResponseBodySize),
            Self::RequestBodySize => number(StreamAttribute::RequestBodySize),
            Self::GrpcRequestCount => one_if(info.is_grpc),
            Self::GrpcError => {
                info.is_grpc.then(|| f64::from(u8::from(info.get(StreamAttribute::GrpcStatus) != Some(0))))
            }
            Self::TargetConnectionErrorCount => one_if(has_flag(UPSTREAM_CONNECTION_FAILURE)),
            Self::ClientDisconnectCount => one_if(has_flag(DOWNSTREAM_CONNECTION_TERMINATION)),
            Self::RetryCount => {
                number(StreamAttribute::Attempts).filter(|attempts| *attempts >= 1.0).map(|attempts| attempts - 1.0)
            }
            // These are not computed from a single request.
            Self::RequestsInProgress | Self::ConcurrencyUtilization => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{MetricName, REQUEST_METRICS};

    use super::*;

    const MILLISECOND: f64 = 1e6;

    /// Returns the names and values of all metrics that apply to a request.
    fn measure(info: &StreamInfo) -> Vec<(&'static str, f64)> {
        BUILTIN_METRICS.iter().filter_map(|(name, metric)| Some((*name, metric.value(info, MILLISECOND)?))).collect()
    }

    #[test]
    fn the_names_equal_those_in_the_metric_crate() {
        assert_eq!(BUILTIN_METRICS.map(|(name, _)| name), REQUEST_METRICS);
    }

    #[test]
    fn each_name_is_valid_and_identifies_one_metric() {
        for (name, metric) in BUILTIN_METRICS {
            assert!(MetricName::new(name).is_ok());
            assert_eq!(BuiltinMetric::from_name(name), Some(metric));
        }
        assert_eq!(BuiltinMetric::from_name("requestcount"), None);
    }

    #[test]
    fn a_request_answered_by_the_upstream_has_target_metrics() {
        let info = StreamInfo::with(&[
            (StreamAttribute::Code, 404),
            (StreamAttribute::Duration, 12_500_000),
            (StreamAttribute::BackendLatency, 10_000_000),
            (StreamAttribute::Flags, 0),
            (StreamAttribute::Attempts, 3),
            (StreamAttribute::RequestSize, 150),
            (StreamAttribute::ResponseSize, 250),
            (StreamAttribute::ResponseBodySize, 200),
            (StreamAttribute::RequestBodySize, 100),
        ]);
        let expected = [
            ("RequestCount", 1.0),
            ("Latency", 12.5),
            ("TargetResponseTime", 10.0),
            ("4XXError", 1.0),
            ("5XXError", 0.0),
            ("HTTPCode_Target_4XX_Count", 1.0),
            ("RequestBytes", 150.0),
            ("ResponseBytes", 250.0),
            ("RetryCount", 2.0),
            ("BufferSize", 200.0),
            ("RequestBodySize", 100.0),
        ];
        assert_eq!(measure(&info), expected);
        assert_eq!(BuiltinMetric::Latency.value(&info, 1e9), Some(0.0125));
    }

    #[test]
    fn a_request_answered_by_envoy_has_envoy_metrics() {
        let info = StreamInfo::with(&[(StreamAttribute::Code, 503), (StreamAttribute::Flags, 0x20)]);
        let expected = [
            ("RequestCount", 1.0),
            ("4XXError", 0.0),
            ("5XXError", 1.0),
            ("HTTPCode_Envoy_5XX_Count", 1.0),
            ("TargetConnectionErrorCount", 1.0),
        ];
        assert_eq!(measure(&info), expected);
    }

    #[test]
    fn a_request_whose_client_disconnected_is_counted_as_such() {
        let info = StreamInfo::with(&[
            (StreamAttribute::Flags, 0x4000),
            (StreamAttribute::Attempts, 0),
            (StreamAttribute::RequestSize, -1),
        ]);
        let expected = [("RequestCount", 1.0), ("4XXError", 0.0), ("5XXError", 0.0), ("ClientDisconnectCount", 1.0)];
        assert_eq!(measure(&info), expected);
    }

    #[test]
    fn only_grpc_requests_have_grpc_errors() {
        for (status, error) in [(Some(0), 0.0), (Some(14), 1.0), (None, 1.0)] {
            let attributes: Vec<_> = status.into_iter().map(|status| (StreamAttribute::GrpcStatus, status)).collect();
            let mut info = StreamInfo::with(&attributes);
            assert_eq!(BuiltinMetric::GrpcError.value(&info, MILLISECOND), None);
            info.is_grpc = true;
            assert_eq!(BuiltinMetric::GrpcError.value(&info, MILLISECOND), Some(error), "{status:?}");
            assert_eq!(BuiltinMetric::GrpcRequestCount.value(&info, MILLISECOND), Some(1.0));
        }
    }

    #[test]
    fn a_value_depends_only_on_the_attributes_that_the_metric_declares() {
        let all: Vec<_> = StreamAttribute::ALL.iter().map(|attribute| (*attribute, 200)).collect();
        for (name, metric) in BUILTIN_METRICS {
            let declared: Vec<_> = metric.attributes().iter().map(|attribute| (*attribute, 200)).collect();
            let (mut full, mut minimal) = (StreamInfo::with(&all), StreamInfo::with(&declared));
            (full.is_grpc, minimal.is_grpc) = (true, true);
            assert_eq!(metric.value(&full, 1.0), metric.value(&minimal, 1.0), "{name}");
        }
    }
}

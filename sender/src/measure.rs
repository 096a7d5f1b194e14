//! What can be measured of a request: CloudWatch metrics by the names that ALB, API Gateway, Service Connect and imgproxy
//! have made known.

use acpw_metric::{MergeRule, Unit};

use crate::outcome::{Number, Outcome};

/// A metric that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// 1 for each request.
    RequestCount,
    /// From the first byte of the request to the last byte of the answer.
    Latency,
    /// From the end of the request to the first byte of the upstream's answer.
    TargetResponseTime,
    /// 1 for a request that was answered with a status of this class, else 0.
    Error(u16),
    /// 1 for a request that the upstream answered with a status of this class.
    TargetCode(u16),
    /// 1 for a request that Envoy itself answered with a status of this class.
    EnvoyCode(u16),
    /// Bytes of headers and body received from the client.
    RequestBytes,
    /// Bytes of headers, body and trailers sent to the client.
    ResponseBytes,
    /// 1 for each gRPC request.
    GrpcRequestCount,
    /// 1 for a gRPC request that did not end with OK, else 0.
    GrpcError,
    /// 1 for a request that failed for want of a connection to the upstream.
    TargetConnectionErrorCount,
    /// Attempts after the first.
    RetryCount,
    /// 1 for a request whose client went away.
    ClientDisconnectCount,
    /// Requests that had begun and not ended, at the end of each second.
    RequestsInProgress,
    /// The same, as a share of the configured concurrency.
    ConcurrencyUtilization,
    /// Bytes of the answer's body.
    BufferSize,
}

/// Every metric with the name it is configured and published by, in the order of the documentation.
pub const MEASURES: [(&str, Measure); 21] = [
    ("RequestCount", Measure::RequestCount),
    ("Latency", Measure::Latency),
    ("TargetResponseTime", Measure::TargetResponseTime),
    ("4XXError", Measure::Error(4)),
    ("5XXError", Measure::Error(5)),
    ("HTTPCode_Target_2XX_Count", Measure::TargetCode(2)),
    ("HTTPCode_Target_3XX_Count", Measure::TargetCode(3)),
    ("HTTPCode_Target_4XX_Count", Measure::TargetCode(4)),
    ("HTTPCode_Target_5XX_Count", Measure::TargetCode(5)),
    ("HTTPCode_Envoy_4XX_Count", Measure::EnvoyCode(4)),
    ("HTTPCode_Envoy_5XX_Count", Measure::EnvoyCode(5)),
    ("RequestBytes", Measure::RequestBytes),
    ("ResponseBytes", Measure::ResponseBytes),
    ("GrpcRequestCount", Measure::GrpcRequestCount),
    ("GrpcError", Measure::GrpcError),
    ("TargetConnectionErrorCount", Measure::TargetConnectionErrorCount),
    ("RetryCount", Measure::RetryCount),
    ("ClientDisconnectCount", Measure::ClientDisconnectCount),
    ("RequestsInProgress", Measure::RequestsInProgress),
    ("ConcurrencyUtilization", Measure::ConcurrencyUtilization),
    ("BufferSize", Measure::BufferSize),
];

/// Envoy's flag of a request whose upstream could not be connected to, `UF`.
const UPSTREAM_CONNECTION_FAILURE: i64 = 0x20;

/// Envoy's flag of a request whose client closed the connection, `DC`.
const DOWNSTREAM_CONNECTION_TERMINATION: i64 = 0x4000;

impl Measure {
    /// The metric of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        MEASURES.iter().find(|(known, _)| *known == name).map(|(_, measure)| *measure)
    }

    /// The unit of its values, where times have the unit `time`.
    pub fn unit(self, time: Unit) -> Unit {
        match self {
            _ if self.is_time() => time,
            Self::RequestBytes | Self::ResponseBytes | Self::BufferSize => Unit::BYTES,
            Self::ConcurrencyUtilization => Unit::PERCENT,
            _ => Unit::COUNT,
        }
    }

    /// Returns whether its values are times, in the unit that the configuration says.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Latency | Self::TargetResponseTime)
    }

    /// How values of several workers merge.
    pub fn merge_rule(self) -> MergeRule {
        match self {
            Self::RequestsInProgress | Self::ConcurrencyUtilization => MergeRule::GaugeShares,
            _ => MergeRule::Distribution,
        }
    }

    /// What must be known of a request that has ended.
    pub fn needs(self) -> &'static [Number] {
        match self {
            Self::RequestCount | Self::GrpcRequestCount | Self::RequestsInProgress | Self::ConcurrencyUtilization => {
                &[]
            }
            Self::Latency => &[Number::Duration],
            Self::TargetResponseTime => &[Number::BackendLatency],
            Self::Error(_) => &[Number::Code],
            Self::TargetCode(_) | Self::EnvoyCode(_) => &[Number::Code, Number::BackendLatency],
            Self::RequestBytes => &[Number::RequestSize],
            Self::ResponseBytes => &[Number::ResponseSize],
            Self::GrpcError => &[Number::GrpcStatus],
            Self::TargetConnectionErrorCount | Self::ClientDisconnectCount => &[Number::Flags],
            Self::RetryCount => &[Number::Attempts],
            Self::BufferSize => &[Number::BodySize],
        }
    }

    /// What is measured of a request that has ended; nothing, when it has nothing to do with this metric. Times are given
    /// in units of so many nanoseconds.
    pub fn of(self, outcome: &Outcome, time_unit: f64) -> Option<f64> {
        let is_class = |class: u16| outcome.code().is_some_and(|code| code / 100 == class);
        let one_if = |is_so: bool| is_so.then_some(1.0);
        let number = |number| outcome.number(number).filter(|value| *value >= 0).map(|value| value as f64);
        let has_flag = |flag: i64| outcome.number(Number::Flags).unwrap_or(0) & flag != 0;
        match self {
            Self::RequestCount => Some(1.0),
            Self::Latency => Some(number(Number::Duration)? / time_unit),
            Self::TargetResponseTime => Some(number(Number::BackendLatency)? / time_unit),
            Self::Error(class) => Some(f64::from(u8::from(is_class(class)))),
            Self::TargetCode(class) => one_if(is_class(class) && outcome.is_answered_by_upstream()),
            Self::EnvoyCode(class) => one_if(is_class(class) && !outcome.is_answered_by_upstream()),
            Self::RequestBytes => number(Number::RequestSize),
            Self::ResponseBytes => number(Number::ResponseSize),
            Self::BufferSize => number(Number::BodySize),
            Self::GrpcRequestCount => one_if(outcome.is_grpc),
            Self::GrpcError => {
                outcome.is_grpc.then(|| f64::from(u8::from(outcome.number(Number::GrpcStatus) != Some(0))))
            }
            Self::TargetConnectionErrorCount => one_if(has_flag(UPSTREAM_CONNECTION_FAILURE)),
            Self::ClientDisconnectCount => one_if(has_flag(DOWNSTREAM_CONNECTION_TERMINATION)),
            Self::RetryCount => {
                number(Number::Attempts).filter(|attempts| *attempts >= 1.0).map(|attempts| attempts - 1.0)
            }
            // Not measured of one request.
            Self::RequestsInProgress | Self::ConcurrencyUtilization => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use acpw_metric::{MetricName, REQUEST_METRICS, StorageResolution};

    use super::*;

    const MILLISECOND: f64 = 1e6;

    /// The names of all metrics that this outcome has, with their values.
    fn measured(outcome: &Outcome) -> Vec<(&'static str, f64)> {
        MEASURES.iter().filter_map(|(name, measure)| Some((*name, measure.of(outcome, MILLISECOND)?))).collect()
    }

    #[test]
    fn the_names_are_those_that_the_receiver_knows() {
        assert_eq!(MEASURES.map(|(name, _)| name), REQUEST_METRICS);
    }

    #[test]
    fn names_are_metric_names_and_found_once() {
        for (name, measure) in MEASURES {
            assert!(MetricName::new(name).is_ok());
            assert_eq!(Measure::from_name(name), Some(measure));
        }
        assert_eq!(Measure::from_name("requestcount"), None);
        assert_eq!(StorageResolution::default(), StorageResolution::Standard);
    }

    #[test]
    fn a_request_that_the_upstream_answered() {
        let outcome = Outcome::of(&[
            (Number::Code, 404),
            (Number::Duration, 12_500_000),
            (Number::BackendLatency, 10_000_000),
            (Number::Flags, 0),
            (Number::Attempts, 3),
            (Number::RequestSize, 150),
            (Number::ResponseSize, 250),
            (Number::BodySize, 200),
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
        ];
        assert_eq!(measured(&outcome), expected);
        assert_eq!(Measure::Latency.of(&outcome, 1e9), Some(0.0125));
    }

    #[test]
    fn a_request_that_envoy_answered_itself() {
        let outcome = Outcome::of(&[(Number::Code, 503), (Number::Flags, 0x20)]);
        let expected = [
            ("RequestCount", 1.0),
            ("4XXError", 0.0),
            ("5XXError", 1.0),
            ("HTTPCode_Envoy_5XX_Count", 1.0),
            ("TargetConnectionErrorCount", 1.0),
        ];
        assert_eq!(measured(&outcome), expected);
    }

    #[test]
    fn a_request_whose_client_went_away() {
        let outcome = Outcome::of(&[(Number::Flags, 0x4000), (Number::Attempts, 0), (Number::RequestSize, -1)]);
        let expected = [("RequestCount", 1.0), ("4XXError", 0.0), ("5XXError", 0.0), ("ClientDisconnectCount", 1.0)];
        assert_eq!(measured(&outcome), expected);
    }

    #[test]
    fn only_grpc_requests_have_grpc_errors() {
        for (status, error) in [(Some(0), 0.0), (Some(14), 1.0), (None, 1.0)] {
            let numbers: Vec<_> = status.into_iter().map(|status| (Number::GrpcStatus, status)).collect();
            let mut outcome = Outcome::of(&numbers);
            assert_eq!(Measure::GrpcError.of(&outcome, MILLISECOND), None);
            outcome.is_grpc = true;
            assert_eq!(Measure::GrpcError.of(&outcome, MILLISECOND), Some(error), "{status:?}");
            assert_eq!(Measure::GrpcRequestCount.of(&outcome, MILLISECOND), Some(1.0));
        }
    }

    #[test]
    fn a_metric_is_measured_of_what_it_needs_and_nothing_else() {
        let all: Vec<_> = Number::ALL.iter().map(|number| (*number, 200)).collect();
        for (name, measure) in MEASURES {
            let needed: Vec<_> = measure.needs().iter().map(|number| (*number, 200)).collect();
            let (mut full, mut bare) = (Outcome::of(&all), Outcome::of(&needed));
            (full.is_grpc, bare.is_grpc) = (true, true);
            assert_eq!(measure.of(&full, 1.0), measure.of(&bare, 1.0), "{name}");
        }
    }
}

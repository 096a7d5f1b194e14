//! The metrics of requests, by name.

/// The names under which senders publish what they measure of requests. The receiver's configuration can rename the
/// first, and must not give it the name of another.
pub const REQUEST_METRICS: [&str; 21] = [
    "RequestCount",
    "Latency",
    "TargetResponseTime",
    "4XXError",
    "5XXError",
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_3XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
    "HTTPCode_Envoy_4XX_Count",
    "HTTPCode_Envoy_5XX_Count",
    "RequestBytes",
    "ResponseBytes",
    "GrpcRequestCount",
    "GrpcError",
    "TargetConnectionErrorCount",
    "RetryCount",
    "ClientDisconnectCount",
    "RequestsInProgress",
    "ConcurrencyUtilization",
    "BufferSize",
];

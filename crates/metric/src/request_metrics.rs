//! The names of request metrics.

/// The names of the metrics that senders publish for requests. The receiver's configuration can rename the first one,
/// but not to a name in this list.
pub const REQUEST_METRICS: [&str; 22] = [
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
    "RequestBodySize",
];

//! A CloudWatch server for one machine, used by the demo, docker compose and the tests.
//!
//! The server accepts PutMetricData in all three of CloudWatch's protocols, verifies every signature, enforces every
//! quota, aggregates as CloudWatch does, and implements ListMetrics, GetMetricStatistics and GetMetricData. It accepts
//! metrics in OTLP, too, and answers queries of them in PromQL. It issues short-lived credentials as ECS, EKS, EC2 and
//! STS do, and rejects them once they have expired. It shares no code with the modules, because the tests use it as
//! their oracle.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use local_cloudwatch::{Failure, LocalCloudWatch, ServerOptions};
//!
//! let cloudwatch = LocalCloudWatch::start(ServerOptions::default()).await?;
//! cloudwatch.fail_next(2, Failure::new(400, "ThrottlingException"));
//! // … a program publishes to cloudwatch.url() …
//! assert!(cloudwatch.totals("Envoy/Requests").is_empty());
//! cloudwatch.shutdown().await;
//! # Ok::<_, std::io::Error>(())
//! # })?;
//! # Ok::<_, std::io::Error>(())
//! ```

mod access_key;
mod api;
mod authorization;
mod body;
mod call;
mod call_protocol;
mod clock;
mod connection;
mod control;
mod credential_endpoint;
mod datum;
mod entity;
mod error;
mod fault;
mod issuer;
mod metric;
mod operation;
mod options;
mod otlp;
mod overview;
mod page;
mod panel;
mod promql;
mod protocol;
pub mod quota;
mod request_fields;
mod router;
mod server;
mod signature;
mod state;
mod statistics;
mod store;
mod sts;
mod terminal;
mod time_window;
mod total;
mod unit;
mod wire_value;

pub use access_key::AccessKey;
pub use call::ApiCall;
pub use call_protocol::CallProtocol;
pub use fault::{DropPoint, Failure, WriteOperation};
pub use issuer::{CredentialCall, CredentialEndpoint, SECRET_MARK};
pub use options::{DEFAULT_KEY, ServerOptions};
pub use otlp::access::OtlpAccess;
pub use otlp::explicit_buckets::ExplicitBuckets;
pub use otlp::exponential_buckets::ExponentialBuckets;
pub use otlp::limits::OtlpLimits;
pub use otlp::series_id::{OtlpKind, OtlpScope, OtlpTemporality};
pub use otlp::total::{OtlpPointTotal, OtlpSeriesTotal};
pub use server::LocalCloudWatch;
pub use total::{BucketTotal, SeriesTotal};

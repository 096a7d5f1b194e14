//! A CloudWatch for one machine: for the demo, docker compose and the tests.
//!
//! It takes PutMetricData in all three protocols of CloudWatch, verifies every signature, checks every quota, aggregates
//! as CloudWatch does and answers ListMetrics, GetMetricStatistics and GetMetricData. It hands out short-lived credentials
//! as ECS, EKS, EC2 and STS do, and refuses them when they have expired. It shares no code with the modules:
//! it is what they are measured against.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use local_cloudwatch::{Failure, LocalCloudWatch, Options};
//!
//! let cloudwatch = LocalCloudWatch::start(Options::default()).await?;
//! cloudwatch.fail_next(2, Failure::new(400, "ThrottlingException"));
//! // … a program publishes to cloudwatch.url() …
//! assert!(cloudwatch.totals("Envoy/Requests").is_empty());
//! cloudwatch.shutdown().await;
//! # Ok::<_, std::io::Error>(())
//! # })?;
//! # Ok::<_, std::io::Error>(())
//! ```

mod api;
mod body;
mod call;
mod clock;
mod connection;
mod control;
mod datum;
mod entity;
mod error;
mod issuer;
mod key;
mod metadata;
mod metric;
mod node;
mod operation;
mod overview;
mod page;
mod protocol;
pub mod quota;
mod router;
mod rule;
mod server;
mod signature;
mod state;
mod statistics;
mod store;
mod sts;
mod terminal;

pub use call::{BucketTotal, Call, SeriesTotal};
pub use issuer::{CredentialCall, Endpoint, SECRET_MARK};
pub use key::Key;
pub use protocol::Protocol;
pub use rule::{Failure, When};
pub use server::{DEFAULT_KEY, LocalCloudWatch, Options};

//! `acpw`: checks configurations of ACPW before Envoy loads them, explains and prices what they publish, and writes
//! dashboards, alarms and IAM policies for them.
//!
//! Each command is a module with its `Arguments` and a `run` that writes to a given output. [`deployment`] holds what
//! the files configure.

pub mod access_log;
pub mod alarm;
pub mod alarms;
pub mod amount;
pub mod cardinality;
pub mod check;
pub mod completions;
pub mod cost;
pub mod dashboard;
pub mod deployment;
pub mod environment;
pub mod explain;
pub mod figures;
pub mod iam;
pub mod input;
pub mod inventory;
pub mod json;
pub mod node;
pub mod output;
pub mod plugin;
pub mod policy;
pub mod price;
pub mod publication;
pub mod replay;
pub mod scaling;
pub mod schema;
pub mod search;
pub mod secret;
pub mod source_file;
pub mod status;
pub mod template;
pub mod text;
pub mod traffic;
pub mod widget;
pub mod yaml;

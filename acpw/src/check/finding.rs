//! Rules, and what breaks them.

use std::ops::Range;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Envoy refuses the configuration, requests fail, data is lost or a secret is open to others.
    Error,
    /// The configuration works, but not as it should.
    Warning,
}

impl Severity {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A rule that configurations must keep.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The identifier, which output and `acpw-allow` comments use.
    pub id: &'static str,
    /// The weight of what breaks it.
    pub severity: Severity,
    /// The document that explains it, as a path in the project with an anchor.
    pub document: &'static str,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident, $document:literal;)*) => {
        $(
            $(#[$doc])*
            pub const $name: Rule = Rule { id: $id, severity: Severity::$severity, document: $document };
        )*

        /// All rules.
        pub const RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    /// A module's own parser refuses its configuration.
    INVALID_CONFIGURATION = "invalid-configuration", Error, "docs/configuration.md#how-configurations-are-read";
    /// An entry of a configuration changes nothing.
    NO_EFFECT = "no-effect", Warning, "docs/configuration.md#sender";
    /// Envoy does not know a key of a module's attachment.
    UNKNOWN_FIELD = "unknown-field", Error, "docs/deployment.md#attaching-the-sender";
    /// A module is attached where it does not work.
    MISPLACED_MODULE = "misplaced-module", Error, "docs/deployment.md#attaching-the-sender";
    /// A bootstrap extension runs on every worker.
    NOT_A_SINGLETON = "not-a-singleton", Error, "docs/deployment.md#attaching-the-receiver";
    /// Two receivers read the same queue.
    TWO_RECEIVERS = "two-receivers", Error, "docs/deployment.md#attaching-the-receiver";
    /// A module's `receiver_vm_id` is not the `vm_id` of a receiver.
    UNKNOWN_RECEIVER = "unknown-receiver", Error, "docs/operations.md#no-receiver";
    /// The files have no receiver.
    NO_RECEIVER_GIVEN = "no-receiver-given", Warning, "docs/operations.md#no-receiver";
    /// A gateway has another `vm_id` than its receiver.
    GATEWAY_VM_ID = "gateway-vm-id", Error, "docs/deployment.md#attaching-the-gateway";
    /// A gateway cannot wait for the body of a post.
    POSTS_HANG = "posts-hang", Error, "docs/gateway.md#the-listener";
    /// Requests fail if a module does.
    REQUESTS_FAIL = "requests-fail", Error, "docs/deployment.md#as-an-http-filter";
    /// Envoy does not start a module again if it fails.
    NOT_RESTARTED = "not-restarted", Warning, "docs/operations.md#a-module-traps";
    /// A request counts twice.
    COUNTED_TWICE = "counted-twice", Warning, "docs/deployment.md#attaching-the-sender";
    /// A cluster that a configuration names is not defined.
    UNKNOWN_CLUSTER = "unknown-cluster", Error, "docs/deployment.md#the-cluster";
    /// A cluster leads to AWS without TLS.
    NO_TLS = "no-tls", Error, "docs/deployment.md#the-cluster";
    /// A TLS connection to AWS names no host, or another one.
    WRONG_SNI = "wrong-sni", Error, "docs/deployment.md#the-cluster";
    /// The certificate of AWS is not verified.
    UNVERIFIED_CERTIFICATE = "unverified-certificate", Error, "docs/security.md#connections";
    /// A cluster leads to another region than the receiver signs for.
    OTHER_REGION = "other-region", Error, "docs/deployment.md#the-cluster";
    /// Nobody signs requests to CloudWatch.
    UNSIGNED = "unsigned", Error, "docs/credentials.md#signed-by-envoy";
    /// Strangers can post metrics.
    OPEN_GATEWAY = "open-gateway", Error, "docs/security.md#what-a-post-cannot-do";
    /// Strangers can read files with credentials.
    OPEN_FILES = "open-files", Error, "docs/credentials.md#files";
    /// Strangers can end Envoy.
    OPEN_ADMIN = "open-admin", Warning, "docs/security.md#connections";
    /// A module reads an environment variable that Envoy does not pass to it.
    VARIABLE_NOT_PASSED = "variable-not-passed", Warning, "docs/credentials.md#environment";
    /// A feature is not in the given version of Envoy.
    NEWER_ENVOY = "newer-envoy", Error, "docs/deployment.md#where-it-runs";
}

/// Something in a file that breaks a rule.
#[derive(Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The index of the file.
    pub file: usize,
    /// The position in the file.
    pub span: Range<usize>,
    /// The problem in one sentence.
    pub message: String,
    /// The problem in a few words, next to the excerpt; empty if the message says it all.
    pub label: String,
    /// The remedy.
    pub remedy: String,
    /// The document that explains it.
    pub document: &'static str,
    /// Another position that belongs to the problem, with a few words.
    pub related: Option<(usize, Range<usize>, String)>,
}

//! The modules log their release.

#![allow(clippy::expect_used, reason = "a failed test may panic, in its helpers too")]

use e2e::{GatewaySetup, GatewayStack, Pair, Setup};

/// Returns the version and the commit that a module logged.
fn release<'a>(log: &'a str, module: &str) -> (&'a str, &'a str) {
    let (_, line) = log.split_once(&format!("acpw {module}: ")).expect("a line of the module");
    let mut words = line.split(' ');
    let (version, commit) = (words.next().expect("a version"), words.next().expect("a commit"));
    (version, commit.trim_start_matches('(').trim_end_matches(')'))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_module_logs_its_version_and_commit() {
    let pair = Pair::start(Setup::default()).await;
    let gateway = GatewayStack::start(GatewaySetup::default()).await;
    let (pair, gateway) = (pair.envoy.log(), gateway.envoy.log());
    let releases = [(&pair, "sender"), (&pair, "receiver"), (&gateway, "gateway"), (&gateway, "receiver")];
    let releases = releases.map(|(log, module)| release(log, module));
    assert_eq!(releases, [releases[0]; 4], "the modules log different releases");
    let (version, commit) = releases[0];
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let digits = commit.trim_end_matches("-dirty");
    let is_commit = digits.len() == 12 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    assert!(is_commit || commit == "unknown", "{commit}");
}

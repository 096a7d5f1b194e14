//! Generates load with h2load, which speaks HTTP/1.1 and HTTP/2.

use std::{net::SocketAddr, process::Command};

use scenes::HOST;

use crate::traffic::{Protocol, Traffic};

/// The end of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// This number of requests have been answered.
    Requests(u64),
    /// This number of seconds have passed.
    Seconds(u64),
}

/// Sends requests over `connections` connections, one at a time on each. Returns the number of answered requests.
///
/// # Errors
/// Returns an error if h2load does not run, or if a request is not answered with a status of 2XX.
pub(crate) fn send(address: SocketAddr, traffic: &Traffic, connections: u32, until: Until) -> Result<u64, String> {
    let mut command = Command::new("h2load");
    command.args(["--threads", "1", "--max-concurrent-streams", "1", "--clients", &connections.to_string()]);
    match until {
        Until::Requests(count) => command.args(["--requests", &count.to_string()]),
        Until::Seconds(seconds) => command.args(["--duration", &seconds.to_string()]),
    };
    if traffic.protocol == Protocol::Http1 {
        command.arg("--h1");
    }
    for (name, value) in traffic.headers.lines() {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    command.arg(format!("--connect-to={address}")).arg(format!("http://{HOST}{}", traffic.path()));
    let output = command
        .output()
        .map_err(|error| format!("cannot run h2load: {error}; install it with `apt-get install nghttp2-client`"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    answered(&text).ok_or_else(|| format!("h2load: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Returns the number of answered requests in h2load's summary, or `None` if a request failed.
fn answered(summary: &str) -> Option<u64> {
    let counts = |label: &str| {
        let line = summary.lines().find_map(|line| line.strip_prefix(label))?;
        Some(line.split(", ").filter_map(|part| part.trim().split_once(' ')).collect::<Vec<_>>())
    };
    let number = |counts: &[(&str, &str)], label: &str| {
        counts.iter().find(|(_, known)| *known == label).and_then(|(number, _)| number.parse::<u64>().ok())
    };
    let (requests, statuses) = (counts("requests: ")?, counts("status codes: ")?);
    let done = number(&requests, "done")?;
    let is_whole = done > 0 && number(&requests, "failed") == Some(0) && number(&statuses, "2xx")? >= done;
    is_whole.then_some(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = "finished in 48.31ms, 20697.90 req/s, 1.28MB/s\n\
        requests: 1000 total, 1000 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx\n";

    #[test]
    fn only_a_load_without_failures_counts() {
        assert_eq!(answered(SUMMARY), Some(1000));
        assert_eq!(answered(&SUMMARY.replace("0 failed", "1 failed")), None);
        assert_eq!(answered(&SUMMARY.replace("1000 2xx, 0 3xx", "999 2xx, 1 3xx")), None);
        assert_eq!(answered(&SUMMARY.replace("1000 done", "0 done")), None);
        assert_eq!(answered(""), None);
    }
}

//! Parses Envoy's trace of all calls between host and module: the log of its component `wasm` at the level `trace`.

use std::time::Duration;

/// The command line arguments that make Envoy write this log and nothing else.
pub(crate) const ARGUMENTS: [&str; 6] =
    ["--log-level", "off", "--component-log-level", "wasm:trace", "--log-format", "%E.%F %v"];

/// A call from Envoy to a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Callback {
    /// The name of the export, such as `proxy_on_tick`.
    pub(crate) name: String,
    /// The start, as the time since the epoch.
    pub(crate) start: Duration,
    /// The duration, including host calls and the writing of the trace.
    pub(crate) time: Duration,
    /// The names of the host calls, such as `proxy_log`.
    pub(crate) calls: Vec<String>,
}

/// Returns all completed callbacks, without those that Envoy makes during a host call. The log must be of a single
/// thread.
pub(crate) fn callbacks(log: &str) -> Vec<Callback> {
    let mut ended = Vec::new();
    let mut open: Vec<Callback> = Vec::new();
    for line in log.lines() {
        let Some((time, rest)) = line.split_once(' ') else { continue };
        let Some(time) = seconds(time) else { continue };
        if let Some(call) = rest.strip_prefix("[host->vm] ") {
            open.push(Callback { name: name(call), start: time, ..Callback::default() });
        } else if let Some(call) = rest.strip_prefix("[vm->host] ") {
            if let Some(callback) = open.last_mut() {
                callback.calls.push(name(call));
            }
        } else if rest.starts_with("[host<-vm] ")
            && let Some(callback) = open.pop()
            && open.is_empty()
        {
            ended.push(Callback { time: time.saturating_sub(callback.start), ..callback });
        }
    }
    ended
}

/// Returns the name in a call such as `env.proxy_log(2, …`.
fn name(call: &str) -> String {
    let name = call.split(['(', ' ']).next().unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

fn seconds(text: &str) -> Option<Duration> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    Some(Duration::new(seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_during_a_host_call_are_not_returned() {
        let log = "\
            100.000001000 Thread-Local Wasm created 2 now active\n\
            100.000010000 [host->vm] proxy_on_tick(1)\n\
            100.000020000 [vm->host] env.proxy_get_property(1, 2, 3, 4)\n\
            100.000021000 [host->vm] proxy_on_memory_allocate(8)\n\
            100.000022000 [host<-vm] proxy_on_memory_allocate return: 1147504\n\
            100.000023000 [vm<-host] env.proxy_get_property return: 0\n\
            100.000030000 [vm->host] wasi_snapshot_preview1.clock_time_get(1, 1, 8)\n\
            100.000031000 [vm<-host] wasi_snapshot_preview1.clock_time_get return: 0\n\
            100.000050000 [host<-vm] proxy_on_tick return: void\n\
            100.000060000 [host->vm] proxy_on_log(3)\n";
        let expected = Callback {
            name: "proxy_on_tick".to_owned(),
            start: Duration::new(100, 10_000),
            time: Duration::from_micros(40),
            calls: vec!["proxy_get_property".to_owned(), "clock_time_get".to_owned()],
        };
        assert_eq!(callbacks(log), [expected]);
    }
}

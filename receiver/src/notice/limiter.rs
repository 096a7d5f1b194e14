//! Limits how often lines of one kind are logged.

use std::{collections::BTreeMap, time::Duration};

use super::{KINDS, Notice};

/// The minimum time between two lines of the same kind.
const QUIET: Duration = Duration::from_secs(60);

/// Passes a line of each kind once a minute, with the number of lines that were suppressed since. Failures are limited
/// for each source. The recovery of a source is logged only if its failure was. Publications, and lines that the caller
/// limits, are always passed.
#[derive(Debug, Default)]
pub struct Limiter {
    kinds: [Option<(Duration, u64)>; KINDS],
    /// By the path of the source in the configuration, which has a limited number of sources.
    sources: BTreeMap<String, SourceLines>,
}

/// The lines about a source.
#[derive(Debug, Default)]
struct SourceLines {
    /// The time of the last failure that was logged, and the number of failures since.
    failed: Option<(Duration, u64)>,
    /// True if the last line reports a failure.
    is_failing: bool,
}

impl Limiter {
    /// Returns the line to log, or `None` if it is suppressed. `now` is the time by the steady clock.
    pub fn line(&mut self, notice: &Notice, now: Duration) -> Option<String> {
        let Some(kind) = notice.kind() else { return Some(notice.to_string()) };
        let kind = match notice {
            Notice::SourceFailed { name, .. } => {
                let source = self.sources.entry(name.clone()).or_default();
                source.is_failing |= source.failed.is_none_or(|(last, _)| now.saturating_sub(last) >= QUIET);
                &mut source.failed
            }
            Notice::SourceRecovered { name } => {
                let is_known = self.sources.get_mut(name).is_some_and(|source| std::mem::take(&mut source.is_failing));
                return is_known.then(|| notice.to_string());
            }
            _ => self.kinds.get_mut(kind)?,
        };
        match kind {
            Some((last, suppressed)) if now.saturating_sub(*last) < QUIET => {
                *suppressed = suppressed.saturating_add(1);
                None
            }
            _ => {
                let suppressed = kind.replace((now, 0)).map_or(0, |(_, suppressed)| suppressed);
                let more =
                    if suppressed > 0 { format!(" ({suppressed} similar lines suppressed)") } else { String::new() };
                Some(format!("{notice}{more}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_each_kind_is_written_once_a_minute() {
        let mut limiter = Limiter::default();
        let denied = Notice::Denied { reason: "AccessDenied\nline two".to_owned() };
        let clock = Notice::ClockCorrected(5);
        let second = Duration::from_secs;
        assert!(limiter.line(&denied, second(0)).unwrap().ends_with("AccessDenied line two"));
        assert_eq!(limiter.line(&denied, second(1)), None);
        assert_eq!(limiter.line(&denied, second(59)), None);
        assert!(limiter.line(&clock, second(59)).is_some());
        assert!(limiter.line(&denied, second(60)).unwrap().ends_with("(2 similar lines suppressed)"));
        assert_eq!(limiter.line(&denied, second(61)), None);
    }

    #[test]
    fn failures_are_limited_for_each_source() {
        let mut limiter = Limiter::default();
        let failed = |name: &str| Notice::SourceFailed { name: name.to_owned(), reason: "no".to_owned() };
        let recovered = |name: &str| Notice::SourceRecovered { name: name.to_owned() };
        let second = Duration::from_secs;
        let line = "source scrape[0] failed, which leaves a gap in its metrics: no";
        assert_eq!(limiter.line(&failed("scrape[0]"), second(0)).unwrap(), line);
        assert!(limiter.line(&failed("scrape[1]"), second(1)).unwrap().contains("scrape[1]"));
        assert_eq!(limiter.line(&failed("scrape[0]"), second(10)), None);
        assert_eq!(limiter.line(&recovered("scrape[0]"), second(20)).unwrap(), "source scrape[0] responds again");
        // The recovery from a failure that was not logged is not logged.
        assert_eq!(limiter.line(&failed("scrape[0]"), second(30)), None);
        assert_eq!(limiter.line(&recovered("scrape[0]"), second(40)), None);
        assert_eq!(limiter.line(&recovered("scrape[2]"), second(40)), None);
        let more = format!("{line} (2 similar lines suppressed)");
        assert_eq!(limiter.line(&failed("scrape[0]"), second(60)).unwrap(), more);
        assert!(limiter.line(&recovered("scrape[0]"), second(61)).is_some());
        assert!(limiter.line(&recovered("scrape[1]"), second(61)).is_some());
    }
}

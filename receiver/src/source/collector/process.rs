//! Tracks which process responds, by the start time that it reports.

/// The maximum number of earlier start times to remember.
const MAX_EARLIER: usize = 8;

/// The number of consecutive responses of one process after which others are forgotten.
const QUIET_RESPONSES: u8 = 20;

/// The jitter of a start time, in seconds. Some client libraries derive it from the host's boot time in whole seconds,
/// which varies by this much.
const JITTER: f64 = 2.0;

/// A verdict on which process a response is from, and so how to treat its totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The target does not report a start time, or reports one for the first time.
    #[default]
    Unknown,
    /// The same process as before.
    Same,
    /// Another process than before, perhaps by mistake. Its totals are ignored once.
    Foreign,
    /// Another process that responds from now on. Its totals are only the baseline for the next ones.
    Replaced,
    /// An unknown process, and most totals have gone back.
    Unsettled,
    /// Several processes respond in turn.
    Alternating,
}

/// The processes that have responded.
#[derive(Debug, Default)]
pub(super) struct ProcessTracker {
    /// The start time in this response, or the sum if there are several.
    read: Option<f64>,
    current: Option<f64>,
    /// The start time that was foreign in the previous response.
    candidate: Option<f64>,
    earlier: Vec<f64>,
    /// The number of times that a process responded again after another one.
    returns: u8,
    /// The number of responses of the same process since then.
    quiet: u8,
}

impl ProcessTracker {
    /// Begins a response.
    pub(super) fn begin(&mut self) {
        self.read = None;
    }

    /// Adds a start time that the response reports.
    pub(super) fn add_start(&mut self, seconds: f64) {
        if seconds.is_finite() && seconds > 0.0 {
            self.read = Some(self.read.unwrap_or(0.0) + seconds);
        }
    }

    /// Returns true if responses report a start time.
    pub(super) fn is_known(&self) -> bool {
        self.current.is_some()
    }

    /// Judges the response. `have_gone_back` is true if most of its totals have gone back.
    pub(super) fn judge(&mut self, have_gone_back: bool) -> Verdict {
        let Some(read) = self.read else { return Verdict::Unknown };
        let Some(current) = self.current.filter(|_| self.returns < 2) else {
            return self.judge_first_or_alternating(read);
        };
        if is_same(read, current) {
            if self.candidate.take().is_some() {
                self.note_return();
            }
            self.note_same();
            return if self.returns < 2 { Verdict::Same } else { Verdict::Alternating };
        }
        self.quiet = 0;
        let is_again = self.candidate.is_some_and(|candidate| is_same(candidate, read));
        if !is_again && self.earlier.iter().any(|earlier| is_same(*earlier, read)) {
            self.note_return();
        }
        match () {
            () if self.returns >= 2 => {
                self.adopt(read);
                Verdict::Alternating
            }
            () if is_again || have_gone_back => {
                self.adopt(read);
                Verdict::Replaced
            }
            () => {
                self.candidate = Some(read);
                Verdict::Foreign
            }
        }
    }

    /// Judges the first response with a start time, and all responses while several processes alternate.
    fn judge_first_or_alternating(&mut self, read: f64) -> Verdict {
        match self.current {
            None => {
                self.current = Some(read);
                Verdict::Unknown
            }
            Some(current) if is_same(read, current) => {
                self.note_same();
                Verdict::Alternating
            }
            Some(_) => {
                self.quiet = 0;
                self.adopt(read);
                Verdict::Alternating
            }
        }
    }

    fn adopt(&mut self, read: f64) {
        self.candidate = None;
        if let Some(old) = self.current.replace(read)
            && !self.earlier.iter().any(|earlier| is_same(*earlier, old))
        {
            if self.earlier.len() >= MAX_EARLIER {
                self.earlier.remove(0);
            }
            self.earlier.push(old);
        }
    }

    fn note_return(&mut self) {
        self.returns = self.returns.saturating_add(1);
        self.quiet = 0;
    }

    fn note_same(&mut self) {
        self.quiet = self.quiet.saturating_add(1);
        if self.quiet >= QUIET_RESPONSES {
            (self.returns, self.quiet) = (0, 0);
            self.earlier.clear();
        }
    }
}

fn is_same(a: f64, b: f64) -> bool {
    let distance = (a - b).abs();
    distance <= JITTER && (distance - distance.round()).abs() < 1e-3
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: f64 = 1_787_402_160.25;
    const B: f64 = 1_787_400_000.5;
    const C: f64 = 1_787_402_161.75;

    fn verdicts(process: &mut ProcessTracker, starts: &[(Option<f64>, bool)]) -> Vec<Verdict> {
        let judge = |(start, have_gone_back): &(Option<f64>, bool)| {
            process.begin();
            if let Some(start) = start {
                process.add_start(*start);
            }
            process.judge(*have_gone_back)
        };
        starts.iter().map(judge).collect()
    }

    #[test]
    fn a_restart_replaces_the_process() {
        let [a, b] = [A, B].map(|start| (Some(start), false));
        let mut process = ProcessTracker::default();
        // Either immediately, if the totals went back, or when it responds again.
        let starts = [a, a, (Some(B), true), b, b, a, a];
        let expected = [
            Verdict::Unknown,
            Verdict::Same,
            Verdict::Replaced,
            Verdict::Same,
            Verdict::Same,
            Verdict::Foreign,
            Verdict::Replaced,
        ];
        assert_eq!(verdicts(&mut process, &starts), expected);
    }

    #[test]
    fn a_single_response_with_another_start_is_foreign() {
        let a = (Some(A), false);
        let starts = [a, a, (Some(C), false), a, (None, false), a, (Some(A + 1.0), false), (Some(f64::NAN), false), a];
        let expected = [
            Verdict::Unknown,
            Verdict::Same,
            Verdict::Foreign,
            Verdict::Same,
            Verdict::Unknown,
            Verdict::Same,
            Verdict::Same,
            Verdict::Unknown,
            Verdict::Same,
        ];
        assert_eq!(verdicts(&mut ProcessTracker::default(), &starts), expected);
    }

    #[test]
    fn processes_that_respond_in_turn_alternate_until_only_one_does() {
        for starts in [[A, B, A, B], [A, B, B, A], [A, B, C, A], [A, A, B, C]] {
            for have_gone_back in [[false; 4], [false, true, false, true], [true; 4]] {
                let mut process = ProcessTracker::default();
                let round: Vec<_> = starts.into_iter().map(Some).zip(have_gone_back).collect();
                let judged = verdicts(&mut process, &round.repeat(3));
                assert_eq!(judged.last(), Some(&Verdict::Alternating), "{starts:?} {judged:?}");
                let quiet = verdicts(&mut process, &[(Some(A), false); 30]);
                assert_eq!(quiet.last(), Some(&Verdict::Same), "{quiet:?}");
            }
        }
    }
}

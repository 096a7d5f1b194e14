//! What happens when, by chance.

use std::ops::Range;

use fastrand::Rng;

/// What goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// CloudWatch cannot be reached.
    Outage,
    /// It answers 5xx.
    ServiceFault,
    /// It throttles, and may say for how long.
    Throttling {
        /// Milliseconds that it asks to be left alone.
        retry_after: Option<u64>,
    },
    /// It takes no more than so many data at once.
    TooLarge {
        /// Data.
        limit: usize,
    },
    /// It refuses data of bad series, and names them or does not.
    BadData {
        /// Whether it does.
        is_named: bool,
    },
    /// It refuses the credentials.
    Denied,
    /// It refuses one of the namespaces.
    Refused {
        /// What it answers.
        answer: Refusal,
    },
    /// It takes no token until they are refreshed.
    ExpiredToken,
    /// It stores, and its answers are lost.
    LostAnswer,
    /// Requests are lost on their way, which looks the same.
    LostRequest,
    /// There is no receiver.
    NoReceiver,
    /// A burst of requests for new paths.
    Burst,
}

/// Answer to the data of a namespace that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// IAM does not allow it.
    Denied,
    /// CloudWatch fails on it.
    Fault,
    /// A proxy answers in CloudWatch's stead, with this status.
    Foreign(u16),
    /// CloudWatch refuses all of its data, in words that nobody knows.
    Odd,
}

/// A script of some minutes.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its length in ticks of 200 ms.
    pub ticks: u64,
    /// How many workers there are.
    pub senders: usize,
    /// Faults, each with the ticks at which it lasts.
    pub faults: Vec<(Range<u64>, Fault)>,
    /// Ticks at which the receiver fails, its memory gone, and is started anew.
    pub receiver_traps: Vec<u64>,
    /// Ticks at which a sender fails likewise.
    pub sender_traps: Vec<u64>,
    /// Ticks at which bytes that are no record lie in the queue.
    pub garbage: Vec<u64>,
    /// By how many milliseconds the host's clock is off, and from which tick on it is set right.
    pub skew: Option<(i64, u64)>,
    /// Ticks at which the credentials are replaced, and CloudWatch no longer accepts the old ones.
    pub rotations: Vec<u64>,
    /// Ticks at which a flush is requested.
    pub flushes: Vec<u64>,
    /// The most posts a tick.
    pub posts: u64,
    /// Age in milliseconds of data that are posted with a timestamp.
    pub age: u64,
    /// `publish_interval_millisecond`
    pub publish_interval: u64,
    /// `buffer_limit_bytes`
    pub buffer_limit: u64,
    /// Whether `on_unknown_outcome` is `drop`.
    pub drops_unknown: bool,
    /// The most requests a tick.
    pub rate: u64,
    /// Faults of the OTLP endpoint, each with the ticks at which it lasts.
    pub endpoint_faults: Vec<(Range<u64>, Fault)>,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn new(rng: &mut Rng) -> Self {
        let ticks = rng.u64(50..600);
        let faults = (0..rng.usize(0..6)).map(|_| (window(rng, ticks), fault(rng))).collect();
        let moments = |rng: &mut Rng, most| (0..rng.usize(0..=most)).map(|_| rng.u64(0..ticks)).collect();
        const TWO_WEEKS: u64 = 14 * 24 * 60 * 60 * 1_000;
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let skew = rng.bool().then(|| (rng.i64(-10 * DAY..10 * DAY), rng.u64(0..2 * ticks)));
        Self {
            ticks,
            senders: rng.usize(1..4),
            faults,
            receiver_traps: if rng.u8(0..4) == 0 { moments(rng, 2) } else { Vec::new() },
            sender_traps: if rng.u8(0..4) == 0 { moments(rng, 2) } else { Vec::new() },
            garbage: if rng.u8(0..8) == 0 { moments(rng, 3) } else { Vec::new() },
            skew,
            rotations: if rng.u8(0..3) == 0 { moments(rng, 3) } else { Vec::new() },
            flushes: if rng.u8(0..3) == 0 { moments(rng, 3) } else { Vec::new() },
            posts: if rng.bool() { rng.u64(1..60) } else { 0 },
            // Recent, or so old that the gateway just accepts them: when the clock is corrected, they may be too old.
            age: if rng.bool() { rng.u64(0..60_000) } else { TWO_WEEKS - 600_000 - rng.u64(0..20_000) },
            publish_interval: rng.u64(1_000..20_000),
            buffer_limit: if rng.u8(0..3) == 0 { 1 << 16 } else { 8 << 20 },
            drops_unknown: rng.bool(),
            rate: rng.u64(1..30),
            endpoint_faults: (0..rng.usize(0..4)).map(|_| (window(rng, ticks), fault(rng))).collect(),
        }
    }

    /// Returns the faults of the OTLP endpoint at a tick.
    pub fn endpoint_faults_at(&self, tick: u64) -> impl Iterator<Item = Fault> {
        self.endpoint_faults.iter().filter(move |(range, _)| range.contains(&tick)).map(|(_, fault)| *fault)
    }

    /// What is wrong at a tick.
    pub fn faults_at(&self, tick: u64) -> impl Iterator<Item = Fault> {
        self.faults.iter().filter(move |(range, _)| range.contains(&tick)).map(|(_, fault)| *fault)
    }
}

fn window(rng: &mut Rng, ticks: u64) -> Range<u64> {
    let start = rng.u64(0..ticks);
    start..rng.u64(start..=ticks)
}

fn fault(rng: &mut Rng) -> Fault {
    match rng.u8(0..13) {
        0 => Fault::Outage,
        1 => Fault::ServiceFault,
        2 => Fault::Throttling { retry_after: rng.bool().then(|| rng.u64(0..5_000)) },
        3 => Fault::TooLarge { limit: rng.usize(1..20) },
        4 => Fault::BadData { is_named: true },
        5 => Fault::BadData { is_named: false },
        6 => Fault::Denied,
        7 => Fault::ExpiredToken,
        8 => Fault::LostAnswer,
        9 => Fault::LostRequest,
        10 | 11 => {
            let answer = match rng.u8(0..6) {
                0 => Refusal::Denied,
                1 => Refusal::Fault,
                2 => Refusal::Odd,
                3 => Refusal::Foreign(200),
                4 => Refusal::Foreign(403),
                _ => Refusal::Foreign(502),
            };
            Fault::Refused { answer }
        }
        _ => {
            if rng.bool() {
                Fault::NoReceiver
            } else {
                Fault::Burst
            }
        }
    }
}

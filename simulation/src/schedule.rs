//! Generates random schedules.

use std::ops::Range;

use fastrand::Rng;

/// A temporary fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// CloudWatch cannot be reached.
    Outage,
    /// CloudWatch answers with 500.
    ServiceFault,
    /// CloudWatch throttles requests.
    Throttling {
        /// The delay in milliseconds that CloudWatch asks for.
        retry_after: Option<u64>,
    },
    /// CloudWatch refuses requests with too many data.
    TooLarge {
        /// The maximum number of data in a request.
        limit: usize,
    },
    /// CloudWatch refuses the data of some series.
    BadData {
        /// True if the error names the data.
        is_named: bool,
    },
    /// CloudWatch denies all requests.
    Denied,
    /// CloudWatch refuses one of the namespaces.
    Refused {
        /// The answer.
        answer: RefusalKind,
    },
    /// CloudWatch refuses every session token.
    ExpiredToken,
    /// CloudWatch stores the data, but its answers are lost.
    LostAnswer,
    /// Requests are lost, which the receiver cannot distinguish from a lost answer.
    LostRequest,
    /// The receiver does not run.
    NoReceiver,
    /// A burst of requests for new paths.
    Burst,
}

/// The answer to requests with a refused namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// IAM denies the request.
    Denied,
    /// CloudWatch fails with an internal error.
    Fault,
    /// A proxy answers instead of CloudWatch, with this status.
    Foreign(u16),
    /// CloudWatch refuses all data with an unknown error code.
    Odd,
}

/// The events of a simulation of at most two minutes.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The length in ticks of 200 ms.
    pub ticks: u64,
    /// The number of workers.
    pub senders: usize,
    /// The faults, each with the ticks during which it lasts.
    pub faults: Vec<(Range<u64>, Fault)>,
    /// The ticks at which the receiver traps, loses its memory, and is started again.
    pub receiver_traps: Vec<u64>,
    /// The ticks at which a sender traps.
    pub sender_traps: Vec<u64>,
    /// The ticks at which an invalid record is enqueued.
    pub garbage: Vec<u64>,
    /// The number of milliseconds by which the host's clock is wrong, and the tick at which it is set correctly.
    pub skew: Option<(i64, u64)>,
    /// The ticks at which the credentials are replaced. CloudWatch refuses the old ones from then on.
    pub rotations: Vec<u64>,
    /// The ticks at which a flush is requested.
    pub flushes: Vec<u64>,
    /// The maximum number of posts per tick.
    pub posts: u64,
    /// The age in milliseconds of data that is posted with a timestamp.
    pub age: u64,
    /// The receiver's `publish_interval_millisecond`.
    pub publish_interval: u64,
    /// The receiver's `buffer_limit_bytes`.
    pub buffer_limit: u64,
    /// True if the receiver's `on_unknown_outcome` is `drop`.
    pub drops_unknown: bool,
    /// The maximum number of requests per tick.
    pub rate: u64,
    /// True if the data points of the OTLP endpoint are cumulative.
    pub is_cumulative: bool,
    /// Faults of the OTLP endpoint, each with the ticks at which it lasts.
    pub endpoint_faults: Vec<(Range<u64>, Fault)>,
}

impl Schedule {
    /// Generates a schedule.
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
            // The data is recent, or so old that the gateway just accepts it. A correction of the clock may make it too
            // old.
            age: if rng.bool() { rng.u64(0..60_000) } else { TWO_WEEKS - 600_000 - rng.u64(0..20_000) },
            publish_interval: rng.u64(1_000..20_000),
            buffer_limit: if rng.u8(0..3) == 0 { 1 << 16 } else { 8 << 20 },
            drops_unknown: rng.bool(),
            rate: rng.u64(1..30),
            is_cumulative: rng.bool(),
            endpoint_faults: (0..rng.usize(0..4)).map(|_| (window(rng, ticks), fault(rng))).collect(),
        }
    }

    /// Returns the faults of the OTLP endpoint at a tick.
    pub fn endpoint_faults_at(&self, tick: u64) -> impl Iterator<Item = Fault> {
        self.endpoint_faults.iter().filter(move |(range, _)| range.contains(&tick)).map(|(_, fault)| *fault)
    }

    /// Returns the faults at a tick.
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
                0 => RefusalKind::Denied,
                1 => RefusalKind::Fault,
                2 => RefusalKind::Odd,
                3 => RefusalKind::Foreign(200),
                4 => RefusalKind::Foreign(403),
                _ => RefusalKind::Foreign(502),
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

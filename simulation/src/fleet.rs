//! A fleet of receivers that publish to one account, whose quota of calls a second they share, in virtual time.
//!
//! Each receiver is the real core. It gets a record of several series every few seconds, ticks once a second, and its
//! calls are accepted as long as the quota of that second lasts.

use std::time::Duration;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Now, StorageResolution,
    Timestamp, Unit,
};
use fastrand::Rng;
use receiver::{
    PublishAnswer, Receiver, ReceiverConfig, TransmitId,
    answer::Reply,
    receiver::{Callout, Purpose, Trigger},
};

/// The interval of publication in seconds.
const INTERVAL: u64 = 60;

/// The time between two records of a receiver in seconds.
const RECORD_INTERVAL: u64 = 10;

/// The series of each receiver.
const SERIES: u64 = 4;

/// The values of each series in a record.
const VALUES: u64 = 10;

/// The start of the virtual time, in milliseconds since the Unix epoch.
const START: u64 = 1_787_402_160_000;

/// The access key of all receivers.
const KEYS: &str = r#""aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI""#;

/// The behaviour of CloudWatch during a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Accepts this number of calls a second.
    Quota(u64),
    /// Cannot be reached.
    Outage,
}

/// The calls in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Calls that arrived at CloudWatch.
    pub calls: u64,
    /// Calls that CloudWatch throttled.
    pub throttled: u64,
    /// Calls that did not reach CloudWatch.
    pub lost: u64,
    /// Values that all receivers hold at its end.
    pub held: u64,
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetReport {
    /// The calls in each second.
    pub seconds: Vec<Second>,
    /// Values that the receivers got.
    pub received: u64,
    /// Values in calls that CloudWatch accepted.
    pub stored: u64,
    /// Values that the receivers dropped.
    pub dropped: u64,
    /// Values that the receivers hold.
    pub held: u64,
    /// The age in seconds of the oldest last success of all receivers, in each second.
    pub slowest: Vec<u64>,
}

/// Receivers that started in the same second.
pub struct Fleet {
    members: Vec<Member>,
    rng: Rng,
    second: u64,
    report: FleetReport,
}

struct Member {
    receiver: Receiver,
    /// The offset in milliseconds of its ticks within a second.
    offset: u64,
    record: Vec<u8>,
    /// The period of `record`.
    minute: u64,
    last_success: u64,
    on_the_way: Vec<(TransmitId, PublishAnswer)>,
}

impl Fleet {
    /// Creates `size` receivers. Returns `None` if their configuration is invalid.
    pub fn new(size: usize, seed: u64) -> Option<Self> {
        let mut rng = Rng::with_seed(seed);
        let document = format!(
            r#"{{"cloud_watch_region": "us-east-1", "cloud_watch_cluster_name": "c", {KEYS},
                "publish_interval_millisecond": {}}}"#,
            INTERVAL * 1_000
        );
        let mut members = Vec::with_capacity(size);
        for _ in 0..size {
            let config = ReceiverConfig::from_json(document.as_bytes(), |_| None).ok()?;
            members.push(Member {
                receiver: Receiver::new(config, rng.u64(..)),
                offset: rng.u64(..1_000),
                record: Vec::new(),
                minute: u64::MAX,
                last_success: 0,
                on_the_way: Vec::new(),
            });
        }
        Some(Self { members, rng, second: 0, report: FleetReport::default() })
    }

    /// Lets `seconds` pass.
    pub fn run(&mut self, seconds: usize, phase: Phase) {
        for _ in 0..seconds {
            self.step(phase);
        }
    }

    /// Returns what happened, and checks that no value is missing.
    ///
    /// # Errors
    /// Describes the values that are neither stored, held nor dropped.
    pub fn report(&self) -> Result<FleetReport, String> {
        let mut report = self.report.clone();
        for member in &self.members {
            let receiver = &member.receiver;
            report.received += receiver.counts().received;
            report.dropped += receiver.counts().dropped();
            report.held += receiver.held();
            let published = receiver.counts().published;
            if receiver.counts().received != published + receiver.counts().dropped() + receiver.held() {
                return Err(format!("a receiver's account is wrong: {:?}", receiver.counts()));
            }
            report.stored += published;
        }
        Ok(report)
    }

    fn step(&mut self, phase: Phase) {
        let mut second = Second::default();
        let mut slowest = 0;
        // CloudWatch accepts the first calls of a second, so the order of the receivers must not be always the same.
        let start = self.rng.usize(..self.members.len().max(1));
        let (last, first) = self.members.split_at_mut(start);
        for member in first.iter_mut().chain(last) {
            let millis = self.second * 1_000 + member.offset;
            let now = Now { wall: Timestamp::from_millis(START + millis), steady: Duration::from_millis(millis) };
            for (id, answer) in std::mem::take(&mut member.on_the_way) {
                member.receiver.handle_publish_answer(id, &answer, now);
            }
            if (self.second + member.offset).is_multiple_of(RECORD_INTERVAL) {
                member.add_record(now);
            }
            member.receiver.handle_tick(now);
            while let Some(Callout { purpose, .. }) = member.receiver.poll_callout(now) {
                let Purpose::Publish(id) = purpose else { continue };
                let answer = match phase {
                    Phase::Outage => {
                        second.lost += 1;
                        PublishAnswer::Missing { may_be_stored: false, reason: "no healthy upstream".to_owned() }
                    }
                    Phase::Quota(quota) => {
                        second.calls += 1;
                        if second.calls > quota {
                            second.throttled += 1;
                            PublishAnswer::Complete(Reply {
                                status: 400,
                                code: "ThrottlingException".to_owned(),
                                message: "Rate exceeded".to_owned(),
                                date: Some(now.wall),
                                ..Reply::default()
                            })
                        } else {
                            member.last_success = self.second;
                            PublishAnswer::Complete(Reply { status: 200, date: Some(now.wall), ..Reply::default() })
                        }
                    }
                };
                member.on_the_way.push((id, answer));
            }
            while member.receiver.poll_log_line(now).is_some() {}
            // In virtual time a tick takes none.
            member.receiver.handle_tick_end(Duration::ZERO);
            second.held += member.receiver.held();
            slowest = slowest.max(self.second - member.last_success);
        }
        self.report.seconds.push(second);
        self.report.slowest.push(slowest);
        self.second += 1;
    }
}

impl Member {
    /// Hands over a record with values of all series.
    fn add_record(&mut self, now: Now) {
        let minute = now.wall.as_millis() / 60_000;
        if self.minute != minute {
            self.minute = minute;
            self.record = record(now.wall).unwrap_or_default();
        }
        self.receiver.begin_drain(Trigger::WakeUp);
        self.receiver.handle_record(Some(&self.record), now);
        self.receiver.handle_record(None, now);
    }
}

/// Returns a record of all series.
fn record(time: Timestamp) -> Option<Vec<u8>> {
    let mut data = Accumulator::default();
    let name = MetricName::new("RequestCount").ok()?;
    let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
    for series in 0..SERIES {
        let mut values = Distribution::new();
        for _ in 0..VALUES {
            values.record(1.0);
        }
        let value = DimensionValue::new(&format!("/{series}")).ok()?;
        let dimensions = Dimensions::new(vec![(DimensionName::new("path").ok()?, value)]).ok()?;
        data.add(time, None, &dimensions, &metric, &values);
    }
    data.into_records(1 << 16).into_iter().next()
}

//! The container stats of an Amazon ECS task, by its task metadata endpoint, version 4.
//!
//! A round asks `/task/stats`, and `/task` before the first one and again now and then: it says which containers there are
//! and what they may use. Rates are differences to the last reading of the same container. The agent reads each container
//! by a ticker of its own, every second or every ten, so the newest of each is kept, and the task's sum is published when
//! the last of them is new. A value that cannot be true is a gap: counters that have gone back, more CPU than the
//! processors have, a sum over containers of which one says nothing.

mod advice;
mod config;
mod container_stats;
mod dimension;
mod latest_stats;
mod metric;
mod task;
mod usage;

use std::time::Duration;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, Now, quota::MAX_VALUES_PER_DATUM,
};
use serde_json::{Map, Value};

pub use config::{RawEcsTask, Settings};
use container_stats::ContainerStats;
pub use dimension::EcsDimension;
use latest_stats::LatestStats;
pub use metric::{EcsMetric, METRICS};
use task::{Container, ContainerState, Limits, Task};
use usage::{Bounds, Usage};

use super::{SourceCounts, remark::Remarks};
use crate::call::Response;

/// How old the answer of `/task` may become.
const TASK_AGE: Duration = Duration::from_secs(60);

/// The same while a container that ran says nothing, or the configured one is missing. ECS's agent takes 40 requests a second from all tasks of a host.
const DOUBTFUL_TASK_AGE: Duration = Duration::from_secs(10);

/// The longest time between two readings of which a rate is computed, and the age of the oldest reading in a sum: this
/// many intervals, and never less than [`LEAST_LONGEST`].
const LONGEST_INTERVALS: u32 = 10;

/// ECS's agent reads every second, or by `ECS_POLLING_METRICS_WAIT_DURATION` every 5 to 20 seconds; on Fargate every ten.
const LEAST_LONGEST: Duration = Duration::from_secs(30);

/// The container stats of an Amazon ECS task, by its task metadata endpoint, version 4.
#[derive(Debug)]
pub struct EcsTask {
    settings: Settings,
    step: Step,
    /// What the last request was for.
    asked: Document,
    /// An answer that is to be read, and when it came.
    answer: Option<(Vec<u8>, Now)>,
    /// How many of its bytes might have been read up to now.
    allowed: usize,
    task: Option<Task>,
    /// When `/task` was last asked, by the steady clock.
    task_asked: Duration,
    is_task_due: bool,
    /// The containers that have had a reading.
    known: Vec<LatestStats>,
    /// Since when the task has had no container of the configured name, by the steady clock.
    missing: Option<Duration>,
    remarks: Remarks,
    /// Ids that had stats when those were last read, and that `/task` has not listed before.
    unlisted: Vec<String>,
    /// Ids that had stats and that `/task` has not listed since: they are not the task's.
    strangers: Vec<String>,
}

/// What a round asks next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Stats,
    Refresh,
    End,
}

#[derive(Clone, Copy, Debug)]
enum Document {
    Task,
    Stats,
}

impl Document {
    const fn path(self) -> &'static str {
        match self {
            Self::Task => "/task",
            Self::Stats => "/task/stats",
        }
    }
}

/// What values are about: a container, or the task.
struct Subject<'a> {
    container: Option<&'a Container>,
    limits: &'a Limits,
    usage: Usage,
}

impl EcsTask {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            step: Step::Begin,
            asked: Document::Task,
            answer: None,
            allowed: 0,
            task: None,
            task_asked: Duration::ZERO,
            is_task_due: false,
            known: Vec::new(),
            missing: None,
            remarks: Remarks::default(),
            unlisted: Vec::new(),
            strangers: Vec::new(),
        }
    }

    pub(super) fn next_path(&mut self) -> Option<String> {
        (self.asked, self.step) = match self.step {
            Step::Begin if self.task.is_none() => (Document::Task, Step::Stats),
            Step::Begin | Step::Stats => (Document::Stats, Step::Refresh),
            Step::Refresh if self.is_task_due => (Document::Task, Step::End),
            Step::Refresh | Step::End => {
                self.step = Step::Begin;
                return None;
            }
        };
        Some([&self.settings.base, self.asked.path()].concat())
    }

    pub(super) fn handle_answer(&mut self, answer: Response, now: Now) -> Result<(), String> {
        if matches!(self.asked, Document::Task) {
            (self.task_asked, self.is_task_due) = (now.steady, false);
        }
        match answer {
            Response::Complete { status: 200, body, .. } => {
                self.answer = Some((body, now));
                Ok(())
            }
            Response::Complete { status, .. } => Err(self.failed(&format!("answered {status}"))),
            Response::Missing(reason) => Err(self.failed(&reason)),
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) fn poll_remark(&mut self) -> Option<String> {
        self.remarks.poll()
    }

    pub(super) fn read(
        &mut self,
        budget: &mut usize,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> Result<(), String> {
        // A document is read whole, once its length has been allowed for.
        self.allowed = self.allowed.saturating_add(std::mem::take(budget));
        let Some((body, now)) = self.answer.take_if(|(body, _)| body.len() <= self.allowed) else { return Ok(()) };
        *budget = std::mem::take(&mut self.allowed).saturating_sub(body.len());
        let Ok(document) = serde_json::from_slice::<Value>(&body) else {
            return Err(self.failed("answered what is not JSON"));
        };
        match self.asked {
            Document::Task => {
                let Some(task) = Task::read(&document) else { return Err(self.failed("answered no task")) };
                counts.over_limit = counts.over_limit.saturating_add(task.over_limit);
                self.missing = self.settings.lacks_container(&task).then(|| self.missing.unwrap_or(now.steady));
                let missing = self.missing.map(|since| now.steady.saturating_sub(since));
                self.settings.advise(&task, missing, &mut self.remarks);
                self.known.iter_mut().for_each(|known| known.has_moved = false);
                self.task = Some(task);
                self.strangers = std::mem::take(&mut self.unlisted);
            }
            Document::Stats => {
                let (Value::Object(stats), Some(task)) = (document, self.task.take()) else {
                    return Err(self.failed("answered no stats of a task"));
                };
                self.measure(&stats, &task, now, data, counts);
                self.task = Some(task);
            }
        }
        Ok(())
    }

    /// Why a round ends before it is through.
    fn failed(&mut self, reason: &str) -> String {
        self.step = Step::Begin;
        [self.asked.path(), ": ", reason].concat()
    }

    fn measure(
        &mut self,
        stats: &Map<String, Value>,
        task: &Task,
        now: Now,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) {
        let longest = LEAST_LONGEST.max(self.settings.interval.saturating_mul(LONGEST_INTERVALS));
        let mut before = std::mem::take(&mut self.known);
        let mut containers = Vec::new();
        let (mut has_doubt, mut is_due) = (false, true);
        for container in &task.containers {
            let earlier = before.iter().position(|known| known.id == container.id).map(|at| before.swap_remove(at));
            let reading = stats.get(&container.id).and_then(ContainerStats::read);
            let bounds = Bounds { limit: task.limits.vcpu.or(container.limits.vcpu), longest };
            let (known, doubt) = LatestStats::advance(earlier, &container.id, reading, bounds, now.steady);
            if let Some(doubt) = doubt {
                let name = container.name.as_ref().map_or(container.id.as_str(), DimensionValue::as_str);
                self.remarks.once(doubt.kind(), || doubt.describe(&format_args!("container {name:?}")));
            }
            let is_present = known.as_ref().is_some_and(|known| known.is_present);
            let takes_part = match container.state {
                ContainerState::NotStarted => is_present,
                ContainerState::Running => true,
                ContainerState::Stopped => is_present && known.as_ref().is_some_and(|known| known.has_moved),
            };
            if takes_part {
                has_doubt |= !is_present || container.state == ContainerState::Stopped;
                is_due &= known.as_ref().is_some_and(|known| known.is_due(now.steady, longest));
                let new = known.as_ref().filter(|known| known.is_new);
                let usage = new.map_or_else(Usage::default, |known| known.usage.clone());
                containers.push(Subject { container: Some(container), limits: &container.limits, usage });
            }
            self.known.extend(known);
        }
        has_doubt |= self.missing.is_some() && !self.remarks.has_made(advice::CONTAINER_NAME);
        let has_strangers = self.meet_strangers(stats, task);
        let age = now.steady.saturating_sub(self.task_asked);
        self.is_task_due = has_strangers || age >= if has_doubt { DOUBTFUL_TASK_AGE } else { TASK_AGE };

        let mut usage = Usage::default();
        if is_due && !has_strangers && task.over_limit == 0 {
            let is_part = |known: &&mut LatestStats| containers.iter().any(|subject| subject.id() == Some(&known.id));
            let parts: Vec<_> = self.known.iter_mut().filter(is_part).collect();
            let (total, doubt) =
                Usage::total(parts.iter().map(|known| &known.usage), task.shares_network, task.limits.vcpu);
            parts.into_iter().for_each(|known| known.is_summed = true);
            usage = total;
            if let Some(doubt) = doubt {
                self.remarks.once("sum", || doubt.describe(&"the task"));
            }
        }
        if let Some(name) = &self.settings.container {
            containers.retain(|subject| subject.name().is_some_and(|known| known.as_str() == name));
        }
        // CPUUsage is a container's: of the one that is named, or of all.
        if self.settings.container.is_some() {
            let named = containers.iter().map(|subject| &subject.usage);
            usage.docker_percent = Usage::total(named, task.shares_network, task.limits.vcpu).0.docker_percent;
        }
        let whole = [Subject { container: None, limits: &task.limits, usage }];
        for set in &self.settings.sets {
            let subjects = if set.contains(&EcsDimension::ContainerName) { &containers[..] } else { &whole };
            let mut gaps = if subjects.is_empty() { self.settings.metrics.len() } else { 0 };
            for subject in subjects {
                gaps = gaps.saturating_add(self.settings.tell(subject, set, task, now, data));
            }
            counts.gaps = counts.gaps.saturating_add(gaps as u64);
        }
    }

    /// Whether there are stats of containers that may be the task's: they have appeared since `/task` was asked.
    fn meet_strangers(&mut self, stats: &Map<String, Value>, task: &Task) -> bool {
        let is_listed = |id: &String| task.others.contains(id) || task.containers.iter().any(|known| known.id == *id);
        let unlisted = stats.iter().filter(|(id, stats)| !is_listed(id) && ContainerStats::read(stats).is_some());
        self.unlisted = unlisted.map(|(id, _)| id.clone()).collect();
        self.unlisted.iter().any(|id| !self.strangers.contains(id))
    }
}

impl Subject<'_> {
    fn id(&self) -> Option<&String> {
        Some(&self.container?.id)
    }

    fn name(&self) -> Option<&DimensionValue> {
        self.container?.name.as_ref()
    }
}

impl Settings {
    /// Adds a subject's values under a set of dimensions; gives how many could not be had.
    fn tell(
        &self,
        subject: &Subject<'_>,
        set: &[EcsDimension],
        task: &Task,
        now: Now,
        data: &mut Accumulator,
    ) -> usize {
        let Some(dimensions) = self.dimensions(subject, set, task) else { return self.metrics.len() };
        let mut gaps = 0usize;
        for (measure, name) in &self.metrics {
            let mut distribution = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
            match measure.value(&subject.usage, subject.limits, &task.limits) {
                Some(value) if distribution.record(value) => {
                    let metric = Metric { name: name.clone(), unit: measure.unit(), resolution: self.resolution };
                    data.add(now.wall, self.namespace.clone(), &dimensions, &metric, &distribution);
                }
                _ => gaps = gaps.saturating_add(1),
            }
        }
        gaps
    }

    /// The dimensions of a set; nothing when one of them is not known.
    fn dimensions(&self, subject: &Subject<'_>, set: &[EcsDimension], task: &Task) -> Option<Dimensions> {
        let pair = |dimension: &EcsDimension| {
            let value = match dimension {
                EcsDimension::ClusterName => task.cluster.as_ref(),
                EcsDimension::ContainerName => subject.name(),
                EcsDimension::ServiceName => task.service.as_ref().or(self.service.as_ref()),
                EcsDimension::TaskDefinitionFamily => task.family.as_ref(),
            };
            Some((DimensionName::new(dimension.name()).ok()?, value?.clone()))
        };
        Dimensions::new(set.iter().map(pair).collect::<Option<_>>()?).ok()
    }
}

//! The container stats of an Amazon ECS task, by its task metadata endpoint, version 4.
//!
//! A round asks `/task/stats`, and `/task` before the first one and again now and then: it says which containers there are
//! and what they may use. A value that cannot be right is none: counters that have gone back, a reading that is no newer
//! than the last one, a sum over containers of which one tells nothing.

mod config;
mod dimension;
mod measure;
mod task;
mod usage;

use std::time::Duration;

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, Now, quota::MAX_VALUES_PER_DATUM,
};
use serde_json::{Map, Value};

pub use config::{RawEcsTask, Settings};
pub use dimension::EcsDimension;
pub use measure::{MEASURES, Measure};
use task::{Container, Limits, Stage, Task};
use usage::{Reading, Usage};

use super::SourceCounts;
use crate::call::Response;

/// How old what `/task` told may become.
const TASK_AGE: Duration = Duration::from_secs(60);

/// The same while a container that ran tells nothing. ECS's agent takes 40 requests a second from all tasks of a host.
const DOUBTFUL_TASK_AGE: Duration = Duration::from_secs(10);

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
    /// Each container's last reading, by its id.
    readings: Vec<(String, Reading)>,
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
            readings: Vec::new(),
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
        let mut readings = Vec::new();
        let mut containers = Vec::new();
        let mut has_silent = false;
        for container in &task.containers {
            let reading = stats.get(&container.id).and_then(Reading::read);
            let earlier = self.readings.iter().find(|(id, _)| *id == container.id).map(|(_, earlier)| earlier);
            let usage = reading.as_ref().map_or_else(Usage::default, |reading| Usage::new(earlier, reading));
            let is_moving = reading.as_ref().zip(earlier).is_some_and(|(reading, earlier)| reading.is_after(earlier));
            let takes_part = match container.stage {
                Stage::Early => reading.is_some(),
                Stage::Running => true,
                Stage::Ended => is_moving,
            };
            has_silent |= takes_part && reading.is_none();
            readings.extend(reading.map(|reading| (container.id.clone(), reading)));
            if takes_part {
                containers.push(Subject { container: Some(container), limits: &container.limits, usage });
            }
        }
        self.readings = readings;
        let has_strangers = self.meet_strangers(stats, task);
        let age = now.steady.saturating_sub(self.task_asked);
        self.is_task_due = has_strangers || age >= if has_silent { DOUBTFUL_TASK_AGE } else { TASK_AGE };

        let is_whole = !has_strangers && task.over_limit == 0;
        let mut usage = if is_whole { total(&containers, task.shares_network) } else { Usage::default() };
        if let Some(name) = &self.settings.container {
            containers.retain(|subject| subject.name().is_some_and(|known| known.as_str() == name));
        }
        // CPUUsage is a container's: of the one that is named, or of all.
        if self.settings.container.is_some() {
            usage.docker_percent = total(&containers, task.shares_network).docker_percent;
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
        let unlisted = stats.iter().filter(|(id, stats)| !is_listed(id) && Reading::read(stats).is_some());
        self.unlisted = unlisted.map(|(id, _)| id.clone()).collect();
        self.unlisted.iter().any(|id| !self.strangers.contains(id))
    }
}

impl Subject<'_> {
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

/// What all of these have used.
fn total(containers: &[Subject<'_>], shares_network: bool) -> Usage {
    let Some((first, others)) = containers.split_first() else { return Usage::default() };
    let mut total = first.usage.clone();
    for other in others {
        total.add(&other.usage, shares_network);
    }
    total
}

//! Container stats of an Amazon ECS task, from the task metadata endpoint version 4.
//!
//! A round requests `/task/stats`. It requests `/task`, which lists the containers and their limits, before the first
//! stats and again from time to time.
//!
//! Rates are differences to the previous stats of the same container. The ECS agent reads each container on a separate
//! ticker, every second or every ten seconds. The receiver keeps the latest stats of each container and publishes the
//! task's sum when those of all containers are new. An implausible value is a gap: a counter that went back, more CPU
//! time than the processors have, or a sum for which a container has no stats.

mod advice;
mod config;
mod container_stats;
mod dimension;
mod latest_stats;
mod metric;
#[cfg(not(target_arch = "wasm32"))]
mod published;
mod resource;
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

/// The maximum age of the response to `/task`.
const TASK_AGE: Duration = Duration::from_secs(60);

/// The maximum age while a running container has no stats or the configured container is missing. The ECS agent accepts
/// 40 requests per second from all tasks of a host.
const DOUBTFUL_TASK_AGE: Duration = Duration::from_secs(10);

/// The maximum time between two stats for a rate, and the maximum age of stats in a sum, in intervals. It is never less
/// than [`MIN_MAX_AGE`].
const MAX_AGE_INTERVALS: u32 = 10;

/// The smallest maximum age. The ECS agent reads stats every second, or every 5 to 20 seconds as configured with
/// `ECS_POLLING_METRICS_WAIT_DURATION`; on Fargate it reads them every ten seconds.
const MIN_MAX_AGE: Duration = Duration::from_secs(30);

/// Polls the container stats of an Amazon ECS task.
#[derive(Debug)]
pub struct EcsTask {
    settings: Settings,
    step: Step,
    /// The document of the last request.
    requested: Document,
    /// A response to parse, with its time of arrival.
    response: Option<(Vec<u8>, Now)>,
    /// The budget saved up for parsing the response, in bytes.
    saved_budget: usize,
    task: Option<Task>,
    /// The resource attributes of the task, and whether they are new.
    resource: (Vec<(&'static str, String)>, bool),
    /// The time of the last request for `/task`, by the steady clock.
    task_requested: Duration,
    is_task_due: bool,
    /// The latest stats of each container that had any.
    latest: Vec<LatestStats>,
    /// The time since which the task has had no container with the configured name, by the steady clock.
    missing: Option<Duration>,
    remarks: Remarks,
    /// The IDs in the last stats that `/task` had not listed before.
    unlisted: Vec<String>,
    /// The IDs that `/task` did not list either when it was requested after they had stats. They do not belong to the
    /// task.
    foreign: Vec<String>,
}

/// The next request of a round.
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

/// The subject of values: a container or the task.
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
            requested: Document::Task,
            response: None,
            saved_budget: 0,
            task: None,
            resource: (Vec::new(), false),
            task_requested: Duration::ZERO,
            is_task_due: false,
            latest: Vec::new(),
            missing: None,
            remarks: Remarks::default(),
            unlisted: Vec::new(),
            foreign: Vec::new(),
        }
    }

    pub(super) fn next_path(&mut self) -> Option<String> {
        (self.requested, self.step) = match self.step {
            Step::Begin if self.task.is_none() => (Document::Task, Step::Stats),
            Step::Begin | Step::Stats => (Document::Stats, Step::Refresh),
            Step::Refresh if self.is_task_due => (Document::Task, Step::End),
            Step::Refresh | Step::End => {
                self.step = Step::Begin;
                return None;
            }
        };
        Some([&self.settings.base, self.requested.path()].concat())
    }

    pub(super) fn handle_answer(&mut self, answer: Response, now: Now) -> Result<(), String> {
        if matches!(self.requested, Document::Task) {
            (self.task_requested, self.is_task_due) = (now.steady, false);
        }
        match answer {
            Response::Complete { status: 200, body, .. } => {
                self.response = Some((body, now));
                Ok(())
            }
            Response::Complete { status, .. } => Err(self.failed(&format!("status {status}"))),
            Response::Missing(reason) => Err(self.failed(&reason)),
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.response.is_some()
    }

    pub(super) fn poll_remark(&mut self) -> Option<String> {
        self.remarks.poll()
    }

    /// Returns the resource attributes of the task if they are new.
    pub(super) fn poll_resource(&mut self) -> Option<&[(&'static str, String)]> {
        let (attributes, is_new) = &mut self.resource;
        std::mem::take(is_new).then_some(attributes.as_slice())
    }

    pub(super) fn read(
        &mut self,
        budget: &mut usize,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) -> Result<(), String> {
        // A document is parsed as a whole, once the budget for its length is saved up.
        self.saved_budget = self.saved_budget.saturating_add(std::mem::take(budget));
        let Some((body, now)) = self.response.take_if(|(body, _)| body.len() <= self.saved_budget) else {
            return Ok(());
        };
        *budget = std::mem::take(&mut self.saved_budget).saturating_sub(body.len());
        let Ok(document) = serde_json::from_slice::<Value>(&body) else {
            return Err(self.failed("the response is not JSON"));
        };
        match self.requested {
            Document::Task => {
                let Some(task) = Task::read(&document) else {
                    return Err(self.failed("the response is not the metadata of a task"));
                };
                counts.over_limit = counts.over_limit.saturating_add(task.over_limit);
                self.missing = self.settings.lacks_container(&task).then(|| self.missing.unwrap_or(now.steady));
                let missing = self.missing.map(|since| now.steady.saturating_sub(since));
                self.settings.advise(&task, missing, &mut self.remarks);
                self.latest.iter_mut().for_each(|known| known.has_moved = false);
                if self.resource.0 != task.resource {
                    self.resource = (task.resource.clone(), true);
                }
                self.task = Some(task);
                self.foreign = std::mem::take(&mut self.unlisted);
            }
            Document::Stats => {
                let (Value::Object(stats), Some(task)) = (document, self.task.take()) else {
                    return Err(self.failed("the response is not the stats of a task"));
                };
                self.measure(&stats, &task, now, data, counts);
                self.task = Some(task);
            }
        }
        Ok(())
    }

    /// Ends the round and returns the reason with the path of the request.
    fn failed(&mut self, reason: &str) -> String {
        self.step = Step::Begin;
        [self.requested.path(), ": ", reason].concat()
    }

    fn measure(
        &mut self,
        stats: &Map<String, Value>,
        task: &Task,
        now: Now,
        data: &mut Accumulator,
        counts: &mut SourceCounts,
    ) {
        let max_age = MIN_MAX_AGE.max(self.settings.interval.saturating_mul(MAX_AGE_INTERVALS));
        let mut before = std::mem::take(&mut self.latest);
        let mut containers = Vec::new();
        let (mut may_be_outdated, mut is_due) = (false, true);
        for container in &task.containers {
            let earlier =
                before.iter().position(|known| known.id == container.id).map(|index| before.swap_remove(index));
            let container_stats = stats.get(&container.id).and_then(ContainerStats::read);
            let bounds = Bounds { limit: task.limits.vcpu.or(container.limits.vcpu), max_interval: max_age };
            let (latest, contradiction) =
                LatestStats::advance(earlier, &container.id, container_stats, bounds, now.steady);
            if let Some(contradiction) = contradiction {
                let name = container.name.as_ref().map_or(container.id.as_str(), DimensionValue::as_str);
                let describe = || contradiction.describe(&format_args!("container {name:?}"));
                self.remarks.once(contradiction.kind(), describe);
            }
            let is_present = latest.as_ref().is_some_and(|latest| latest.is_present);
            let takes_part = match container.state {
                ContainerState::NotStarted => is_present,
                ContainerState::Running => true,
                ContainerState::Stopped => is_present && latest.as_ref().is_some_and(|latest| latest.has_moved),
            };
            if takes_part {
                may_be_outdated |= !is_present || container.state == ContainerState::Stopped;
                is_due &= latest.as_ref().is_some_and(|latest| latest.is_due(now.steady, max_age));
                let new = latest.as_ref().filter(|latest| latest.is_new);
                let usage = new.map_or_else(Usage::default, |latest| latest.usage.clone());
                containers.push(Subject { container: Some(container), limits: &container.limits, usage });
            }
            self.latest.extend(latest);
        }
        may_be_outdated |= self.missing.is_some() && !self.remarks.has_made(advice::CONTAINER_NAME);
        let has_new_ids = self.find_new_ids(stats, task);
        let age = now.steady.saturating_sub(self.task_requested);
        self.is_task_due = has_new_ids || age >= if may_be_outdated { DOUBTFUL_TASK_AGE } else { TASK_AGE };

        let mut usage = Usage::default();
        if is_due && !has_new_ids && task.over_limit == 0 {
            let is_part = |known: &&mut LatestStats| containers.iter().any(|subject| subject.id() == Some(&known.id));
            let parts: Vec<_> = self.latest.iter_mut().filter(is_part).collect();
            let (total, contradiction) =
                Usage::total(parts.iter().map(|known| &known.usage), task.shares_network, task.limits.vcpu);
            parts.into_iter().for_each(|known| known.is_summed = true);
            usage = total;
            if let Some(contradiction) = contradiction {
                self.remarks.once("sum", || contradiction.describe(&"the task"));
            }
        }
        if let Some(name) = &self.settings.container {
            containers.retain(|subject| subject.name().is_some_and(|known| known.as_str() == name));
        }
        // CPUUsage is that of the configured container, or of all containers.
        if self.settings.container.is_some() {
            let named = containers.iter().map(|subject| &subject.usage);
            usage.docker_percent = Usage::total(named, task.shares_network, task.limits.vcpu).0.docker_percent;
        }
        let whole = [Subject { container: None, limits: &task.limits, usage }];
        for set in &self.settings.sets {
            let subjects = if set.contains(&EcsDimension::ContainerName) { &containers[..] } else { &whole };
            let mut gaps = if subjects.is_empty() { self.settings.metrics.len() } else { 0 };
            for subject in subjects {
                gaps = gaps.saturating_add(self.settings.add_values(subject, set, task, now, data));
            }
            counts.gaps = counts.gaps.saturating_add(gaps as u64);
        }
    }

    /// Returns true if the stats have containers that may belong to the task because they are newer than the response
    /// to
    /// `/task`.
    fn find_new_ids(&mut self, stats: &Map<String, Value>, task: &Task) -> bool {
        let is_listed = |id: &String| task.others.contains(id) || task.containers.iter().any(|known| known.id == *id);
        let unlisted = stats.iter().filter(|(id, stats)| !is_listed(id) && ContainerStats::read(stats).is_some());
        self.unlisted = unlisted.map(|(id, _)| id.clone()).collect();
        self.unlisted.iter().any(|id| !self.foreign.contains(id))
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
    /// Adds the values of a subject with a dimension set. Returns the number of values that are unknown.
    fn add_values(
        &self,
        subject: &Subject<'_>,
        set: &[EcsDimension],
        task: &Task,
        now: Now,
        data: &mut Accumulator,
    ) -> usize {
        let Some(dimensions) = self.dimensions(subject, set, task) else { return self.metrics.len() };
        let mut gaps = 0usize;
        for (metric, name) in &self.metrics {
            let mut distribution = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
            match metric.value(&subject.usage, subject.limits, &task.limits) {
                Some(value) if distribution.record(value) => {
                    let metric = Metric { name: name.clone(), unit: metric.unit(), resolution: self.resolution };
                    data.add(now.wall, self.namespace.clone(), &dimensions, &metric, &distribution);
                }
                _ => gaps = gaps.saturating_add(1),
            }
        }
        gaps
    }

    /// Returns the dimensions of a set, or `None` if one is unknown.
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

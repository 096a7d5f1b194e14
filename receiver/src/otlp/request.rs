//! Requests to the endpoint, and the data in them.

use std::{collections::VecDeque, io::Write};

use acpw_metric::{Accumulator, Timestamp};
use acpw_otlp::Temporality;
use flate2::{Compression, write::GzEncoder};

use super::{
    chunk::Chunk,
    data_point::{PointNames, PointValues},
    request_group::{RequestGroup, RequestPoint},
    resource::ResourceAttributes,
    totals::{Total, Totals},
    window::Window,
};
use crate::publisher::budget::merge_cost;

/// The size in bytes at which a chunk is encoded and compressed.
const CHUNK_BYTES: usize = 16 * 1024;

/// The settings of requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSettings<'a> {
    pub(super) names: PointNames<'a>,
    pub(super) resource: &'a ResourceAttributes,
    pub(super) region: Option<&'a str>,
    /// The maximum size in bytes before compression.
    pub(super) max_bytes: usize,
    pub(super) max_points: usize,
    /// The wall time.
    pub(super) now: Timestamp,
}

/// The data of a request. They are sent together until the endpoint accepts or refuses them.
#[derive(Debug)]
pub(super) struct RequestData {
    groups: Vec<RequestGroup>,
    window: Window,
    samples: u64,
    /// The approximate memory size of the groups in bytes.
    memory: usize,
}

/// A request, encoded and compressed.
#[derive(Debug)]
pub(super) struct EncodedRequest {
    pub(super) data: RequestData,
    /// The compressed body.
    pub(super) body: Vec<u8>,
    /// The number of data points.
    pub(super) points: usize,
}

/// A request that is not encoded yet, or not completely.
#[derive(Debug)]
pub(super) struct RequestDraft {
    /// Data that are to be encoded again. Without any, the data are taken from an accumulator.
    source: Option<VecDeque<RequestGroup>>,
    data: RequestData,
    chunk: Chunk,
    /// Allocated with the first chunk, because it takes a few hundred kilobytes.
    gzip: Option<Box<GzEncoder<Vec<u8>>>>,
    /// The size of the encoded chunks before compression.
    raw_length: usize,
    points: usize,
}

impl RequestData {
    fn new(window: Window) -> Self {
        Self { groups: Vec::new(), window, samples: 0, memory: 0 }
    }

    /// Returns the number of values.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns the number of distributions.
    pub(super) fn distributions(&self) -> usize {
        self.groups.iter().map(|group| group.points.len()).sum()
    }

    /// Returns the data in two halves. The second one is empty if there is only one distribution.
    pub(super) fn split(self) -> (Self, Self) {
        let mut left = self.distributions().div_ceil(2);
        let (mut first, mut second) = (Self::new(self.window), Self::new(self.window));
        for mut group in self.groups {
            let rest = group.points.split_off(left.min(group.points.len()));
            left = left.saturating_sub(group.points.len());
            let rest = RequestGroup { key: group.key.clone(), dimensions: group.dimensions.clone(), points: rest };
            first.push(group);
            second.push(rest);
        }
        for half in [&mut first, &mut second] {
            half.memory = if half.groups.is_empty() { 0 } else { self.memory / 2 };
        }
        (first, second)
    }

    /// Moves all data to `accumulator`, without totals.
    pub(super) fn move_to(self, accumulator: &mut Accumulator) {
        for group in self.groups {
            let (key, group) = group.into_parts();
            accumulator.merge_group(&key, &group);
        }
    }

    /// Moves the times by `millis`, as far as that moves data into other periods.
    pub(super) fn shifted(self, millis: i64) -> Self {
        let window = self.window.shifted(millis);
        let mut accumulator = Accumulator::default();
        self.move_to(&mut accumulator);
        accumulator.shift(millis);
        let mut shifted = Self::new(window);
        shifted.memory = accumulator.bytes();
        while let Some((key, group)) = accumulator.pop() {
            shifted.push(RequestGroup::new(key, group));
        }
        shifted
    }

    fn push(&mut self, group: RequestGroup) {
        if !group.points.is_empty() {
            self.samples = self.samples.saturating_add(group.samples());
            self.groups.push(group);
        }
    }
}

impl EncodedRequest {
    /// Returns the approximate memory size in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.data.memory.saturating_add(self.body.len())
    }
}

impl RequestDraft {
    /// Creates the draft of a request with new data.
    pub(super) fn new(window: Window) -> Self {
        Self {
            source: None,
            data: RequestData::new(window),
            chunk: Chunk::default(),
            gzip: None,
            raw_length: 0,
            points: 0,
        }
    }

    /// Creates the draft of a request with the data of another one.
    pub(super) fn again(data: RequestData) -> Self {
        let RequestData { groups, window, memory, .. } = data;
        let mut draft = Self::new(window);
        draft.data.memory = memory;
        draft.source = Some(groups.into());
        draft
    }

    /// Returns the number of values.
    pub(super) fn samples(&self) -> u64 {
        let source = self.source.iter().flatten().map(RequestGroup::samples);
        source.fold(self.data.samples, u64::saturating_add)
    }

    /// Returns the approximate memory size in bytes.
    pub(super) fn bytes(&self) -> usize {
        let compressed = self.gzip.as_ref().map_or(0, |gzip| gzip.get_ref().len());
        self.data.memory.saturating_add(self.chunk.bound()).saturating_add(compressed)
    }

    /// Returns its data.
    pub(super) fn into_data(mut self) -> RequestData {
        for group in self.source.take().into_iter().flatten() {
            self.data.push(group);
        }
        self.data
    }

    /// Encodes and compresses about as many bytes as `budget` has, and takes them from it. New data are taken from
    /// `due`, and added to `totals` if the temporality is cumulative. Returns the request when it is complete, with the
    /// draft of a second one if the data did not fit into one.
    ///
    /// # Errors
    /// Returns the draft if it is not complete.
    pub(super) fn encode(
        mut self: Box<Self>,
        due: &mut Accumulator,
        mut totals: Option<&mut Totals>,
        encoder: RequestSettings<'_>,
        budget: &mut usize,
    ) -> Result<(EncodedRequest, Option<Box<Self>>), Box<Self>> {
        loop {
            if self.chunk.bound() >= CHUNK_BYTES {
                self.compress(budget);
            }
            if *budget == 0 {
                return Err(self);
            }
            let next = match &mut self.source {
                Some(source) => source.pop_front(),
                None => {
                    let before = due.bytes();
                    let next = due.pop().map(|(key, group)| RequestGroup::new(key, group));
                    self.data.memory = self.data.memory.saturating_add(before.saturating_sub(due.bytes()));
                    next
                }
            };
            let Some(group) = next else { break };
            let cost = merge_cost(group.points.iter().map(|point| &point.distribution));
            if let Some(rest) = self.add(group, totals.as_deref_mut(), encoder) {
                match &mut self.source {
                    Some(source) => source.push_front(rest),
                    None => {
                        let before = due.bytes();
                        let (key, rest) = rest.into_parts();
                        due.merge_group(&key, &rest);
                        self.data.memory = self.data.memory.saturating_sub(due.bytes().saturating_sub(before));
                    }
                }
                break;
            }
            // Converting data takes about as long as merging them.
            *budget = budget.saturating_sub(cost);
        }
        self.compress(budget);
        let rest = self.source.take().filter(|source| !source.is_empty()).map(|source| {
            let mut rest = Box::new(Self::new(self.data.window));
            rest.source = Some(source);
            rest
        });
        let body = self.gzip.take().and_then(|gzip| gzip.finish().ok()).unwrap_or_default();
        Ok((EncodedRequest { data: self.data, body, points: self.points }, rest))
    }

    /// Adds as many distributions of a group as fit. Returns the others.
    fn add(
        &mut self,
        mut group: RequestGroup,
        mut totals: Option<&mut Totals>,
        encoder: RequestSettings<'_>,
    ) -> Option<RequestGroup> {
        let RequestSettings { names, resource, region, max_bytes, max_points, now } = encoder;
        let RequestGroup { key, dimensions, points } = &mut group;
        let entity = key.origin.entity.as_ref();
        let mut resource = (!self.chunk.has(entity)).then(|| resource.of(entity, region));
        let mut added = Vec::new();
        while let Some(point) = points.pop() {
            let RequestPoint { metric, distribution, total } = &point;
            let window = self.data.window.of(key, metric);
            let (mut series, mut next) = (None, None);
            if let Some(totals) = totals.as_deref_mut()
                && total.is_none()
            {
                series = names.series(key, dimensions, metric, distribution);
                next = series.as_ref().and_then(|series| totals.next(series, window, distribution, now)).map(Box::new);
                if series.is_some() && next.is_none() {
                    totals.drop_values(key.kind.values(distribution.count()));
                    continue;
                }
            }
            let values = match total.as_ref().or(next.as_ref()) {
                Some(total) => PointValues {
                    times: (total.start, total.time),
                    distribution: &total.distribution,
                    temporality: Temporality::Cumulative,
                },
                None => PointValues { times: window, distribution, temporality: Temporality::Delta },
            };
            let metrics = names.metrics(key, dimensions, metric, values);
            let bound = self.chunk.bound_of(resource.as_ref(), &metrics);
            let length = self.raw_length.saturating_add(self.chunk.bound()).saturating_add(bound);
            let count = self.points.saturating_add(metrics.len());
            let is_full = length > max_bytes || count > max_points;
            if is_full && self.points > 0 {
                points.push(point);
                break;
            }
            self.chunk.add(entity, resource.take(), metrics, bound);
            self.points = count;
            if let (Some(totals), Some(series), Some(total)) = (totals.as_deref_mut(), series, &next) {
                self.data.memory = self.data.memory.saturating_add(total.bytes());
                totals.store(series, Total::clone(total));
            }
            added.push(RequestPoint { total: point.total.or(next), ..point });
        }
        let added = RequestGroup { key: key.clone(), dimensions: dimensions.clone(), points: added };
        self.data.push(added);
        (!group.points.is_empty()).then_some(group)
    }

    fn compress(&mut self, budget: &mut usize) {
        let raw = self.chunk.take_encoded();
        self.raw_length = self.raw_length.saturating_add(raw.len());
        *budget = budget.saturating_sub(raw.len());
        let gzip = self.gzip.get_or_insert_with(|| Box::new(GzEncoder::new(Vec::new(), Compression::fast())));
        // Writing to memory does not fail.
        let _ = gzip.write_all(&raw);
    }
}

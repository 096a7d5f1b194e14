//! Records: the encoded data that modules pass to the receiver over the shared queue.
//!
//! Integers are encoded as LEB128, and texts are preceded by their length. A record consists of:
//!
//! 1. the version (one byte)
//! 2. the origin: the namespace (empty for the receiver's), the service and environment of the entity (both empty if
//!    there is no entity), and the number of minutes for which zeros follow
//! 3. a table of metrics: name, unit, resolution in seconds
//! 4. a table of dimension name sets: the names in ascending order, each followed by a byte that is 1 if its value is a
//!    constant of the configuration
//! 5. groups, up to the end of the record: the start in seconds, relative to the start of the previous group (to the
//!    epoch for the first group); the kind (one byte); the index of the dimension name set; the dimension values; and,
//!    for each measured metric, its index in the table and its distribution

use std::fmt;

use crate::{
    DataKind, DimensionName, Dimensions, Distribution, Entity, EntityText, MergeRule, Metric, MetricName, Namespace,
    Origin, PeriodKey, Set, StorageResolution, TimeBasis, Timestamp, Unit,
    bytes::{Malformed, Reader, put_signed, put_text, put_varint},
    dimension::OVERFLOW_VALUE,
    memory::{distribution_bytes, group_bytes},
    quota::MAX_DIMENSION_VALUE_LENGTH,
    text,
};

/// The name of the shared queue, which the receiver registers under its `vm_id`.
pub const QUEUE_NAME: &str = "acpw.records";

/// The version of the layout that this release writes. It reads no other version.
const VERSION: u8 = 3;

/// A decoded record, which borrows texts from the encoded bytes. All names and values follow CloudWatch's rules.
#[derive(Debug)]
pub struct Record<'a> {
    origin: Origin,
    metrics: Vec<Metric>,
    dimension_sets: Vec<Vec<(DimensionName, bool)>>,
    groups: Vec<RecordGroup<'a>>,
}

/// The data of one set of dimensions and one period in a record.
#[derive(Debug)]
pub struct RecordGroup<'a> {
    start: Timestamp,
    kind: DataKind,
    dimension_set: usize,
    values: Vec<&'a str>,
    distributions: Vec<(usize, Distribution)>,
}

impl<'a> Record<'a> {
    /// Decodes a record.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a record, or if it has another version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let origin = decode_origin(&mut reader)?;
        let mut record = Self { origin, metrics: Vec::new(), dimension_sets: Vec::new(), groups: Vec::new() };
        for _ in 0..reader.length()? {
            record.metrics.push(decode_metric(&mut reader)?);
        }
        for _ in 0..reader.length()? {
            record.dimension_sets.push(decode_dimension_names(&mut reader)?);
        }
        let mut start = 0;
        while !reader.is_empty() {
            let group = record.decode_group(&mut reader, start)?;
            start = group.start.as_secs();
            record.groups.push(group);
        }
        Ok(record)
    }

    /// Returns the attributes that the record shares with all data of its sender.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the number of values in all distributions. Shares of gauges are not values.
    pub fn samples(&self) -> u64 {
        let count_values = |group: &RecordGroup<'_>| -> u64 {
            group.distributions.iter().map(|(_, distribution)| group.kind.values(distribution.count())).sum()
        };
        self.groups.iter().map(count_values).sum()
    }

    /// Returns the end of the oldest period of observed data. Posted data are ignored, because they may have any time.
    pub fn observed_until(&self) -> Option<Timestamp> {
        let ends = self.groups().iter().filter_map(|group| {
            let seconds = match group.kind.merge {
                _ if group.kind.is_posted() => return None,
                MergeRule::Distribution => self
                    .distributions_of(group)
                    .map(|(metric, _)| metric.resolution.seconds())
                    .max()
                    .unwrap_or_default(),
                MergeRule::GaugeShares => StorageResolution::High.seconds(),
            };
            Some(group.start.shifted(i64::from(seconds).saturating_mul(1_000)))
        });
        ends.min()
    }

    /// Returns the groups.
    pub fn groups(&self) -> &[RecordGroup<'a>] {
        &self.groups
    }

    /// Returns the table of metrics.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// Returns the approximate number of bytes of memory that the posted data would take in an empty
    /// [`Accumulator`](crate::Accumulator).
    pub fn posted_memory(&self) -> usize {
        let memory = |group: &RecordGroup<'_>| {
            let dimensions = self.dimensions_of(group).map(|(name, value)| name.len().saturating_add(value.len()));
            let (count, text) = dimensions
                .fold((0usize, 0usize), |(count, text), length| (count.saturating_add(1), text.saturating_add(length)));
            let distributions = group.distributions.iter().map(|(_, distribution)| distribution_bytes(distribution));
            distributions.fold(group_bytes(count, text), usize::saturating_add)
        };
        let posted = self.groups.iter().filter(|group| group.kind.is_posted());
        posted.map(memory).fold(0, usize::saturating_add)
    }

    /// Returns the period of a metric in a group, on a clock that is `skew` milliseconds ahead of the sender's clock.
    pub fn key(&self, group: &RecordGroup<'_>, metric: &Metric, skew: i64) -> PeriodKey {
        let skew = if group.kind.basis == TimeBasis::Stated { 0 } else { skew };
        PeriodKey::new(group.start.shifted(skew), group.kind, self.origin.clone(), metric)
    }

    /// Returns the dimensions of a group, sorted by name.
    pub fn dimensions_of(&self, group: &RecordGroup<'a>) -> impl Iterator<Item = (&str, &'a str)> {
        self.names_of(group).iter().map(|(name, _)| name.as_str()).zip(group.values.iter().copied())
    }

    /// Returns the dimensions of the overflow series of a group: every value that is not a constant of the
    /// configuration is replaced by `__other__`.
    pub fn overflow_of(&self, group: &RecordGroup<'a>) -> impl Iterator<Item = (&str, &'a str)> {
        let dimensions = self.names_of(group).iter().zip(group.values.iter().copied());
        dimensions
            .map(|((name, is_constant), value)| (name.as_str(), if *is_constant { value } else { OVERFLOW_VALUE }))
    }

    fn names_of(&self, group: &RecordGroup<'a>) -> &[(DimensionName, bool)] {
        self.dimension_sets.get(group.dimension_set).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns each metric of a group with its distribution.
    pub fn distributions_of<'b>(
        &'b self,
        group: &'b RecordGroup<'a>,
    ) -> impl Iterator<Item = (&'b Metric, &'b Distribution)> {
        group.distributions.iter().filter_map(|(metric, distribution)| Some((self.metrics.get(*metric)?, distribution)))
    }

    fn decode_group(&self, reader: &mut Reader<'a>, before: u64) -> Result<RecordGroup<'a>, Malformed> {
        let start = Timestamp::from_secs(before.checked_add_signed(reader.signed()?).ok_or(Malformed)?);
        let kind = DataKind::from_code(reader.byte()?).ok_or(Malformed)?;
        let dimension_set = decode_index(reader, self.dimension_sets.len())?;
        let names = self.dimension_sets.get(dimension_set).ok_or(Malformed)?;
        let mut values = Vec::with_capacity(names.len());
        for _ in names {
            let value = reader.text()?;
            text::check(value, MAX_DIMENSION_VALUE_LENGTH).map_err(|_| Malformed)?;
            values.push(value);
        }
        let length = reader.length()?;
        let mut distributions = Vec::with_capacity(length.min(self.metrics.len()));
        for _ in 0..length {
            let metric = decode_index(reader, self.metrics.len())?;
            distributions.push((metric, Distribution::decode(reader)?));
        }
        Ok(RecordGroup { start, kind, dimension_set, values, distributions })
    }
}

fn decode_origin(reader: &mut Reader<'_>) -> Result<Origin, Malformed> {
    let namespace = match reader.text()? {
        "" => None,
        name => Some(Namespace::new(name).map_err(|_| Malformed)?),
    };
    let entity = match (reader.text()?, reader.text()?) {
        ("", "") => None,
        (service, environment) => Some(Entity {
            service: EntityText::new(service).map_err(|_| Malformed)?,
            environment: EntityText::new(environment).map_err(|_| Malformed)?,
        }),
    };
    let zero_minutes = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
    Ok(Origin { namespace, entity, zero_minutes })
}

fn decode_metric(reader: &mut Reader<'_>) -> Result<Metric, Malformed> {
    let name = MetricName::new(reader.text()?).map_err(|_| Malformed)?;
    let unit = Unit::from_code(reader.byte()?).ok_or(Malformed)?;
    let resolution = match reader.byte()? {
        1 => StorageResolution::High,
        60 => StorageResolution::Standard,
        _ => return Err(Malformed),
    };
    Ok(Metric { name, unit, resolution })
}

impl RecordGroup<'_> {
    /// Returns the kind of the data.
    pub fn kind(&self) -> DataKind {
        self.kind
    }
}

fn decode_dimension_names(reader: &mut Reader<'_>) -> Result<Vec<(DimensionName, bool)>, Malformed> {
    let mut names: Vec<(DimensionName, bool)> = Vec::new();
    for _ in 0..reader.length()? {
        let name = DimensionName::new(reader.text()?).map_err(|_| Malformed)?;
        if names.last().is_some_and(|(last, _)| *last >= name) {
            return Err(Malformed);
        }
        let is_constant = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        };
        names.push((name, is_constant));
    }
    if names.len() > crate::quota::MAX_DIMENSIONS { Err(Malformed) } else { Ok(names) }
}

fn decode_index(reader: &mut Reader<'_>, length: usize) -> Result<usize, Malformed> {
    let index = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
    if index < length { Ok(index) } else { Err(Malformed) }
}

/// Encodes groups of one origin into records of a limited size.
pub(crate) struct RecordWriter<'a> {
    origin: Origin,
    /// The dimensions with a constant value.
    constants: &'a [DimensionName],
    /// The maximum size of a record in bytes.
    limit: usize,
    /// The encoded entries of the table of metrics.
    metrics: Set<Box<[u8]>>,
    /// The encoded entries of the table of dimension name sets.
    dimension_sets: Set<Box<[u8]>>,
    /// A buffer for an entry of a table.
    entry: Vec<u8>,
    /// The total size of both tables in bytes.
    table_bytes: usize,
    /// The encoded groups.
    groups: Vec<u8>,
    /// The start of the last group, in seconds since the epoch.
    start: u64,
}

impl<'a> RecordWriter<'a> {
    pub(crate) fn new(origin: Origin, constants: &'a [DimensionName], limit: usize) -> Self {
        Self {
            origin,
            constants,
            limit,
            metrics: Set::default(),
            dimension_sets: Set::default(),
            entry: Vec::new(),
            table_bytes: 0,
            groups: Vec::new(),
            start: 0,
        }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Adds a group. If the group does not fit into the current record, starts a new one and returns the finished
    /// record.
    pub(crate) fn push(
        &mut self,
        start: Timestamp,
        kind: DataKind,
        dimensions: &Dimensions,
        distributions: &[(Metric, Distribution)],
    ) -> Option<Vec<u8>> {
        let before = self.groups.len();
        self.append(start, kind, dimensions, distributions);
        if before == 0 || self.length() <= self.limit {
            return None;
        }
        self.groups.truncate(before);
        let full = self.finish();
        self.append(start, kind, dimensions, distributions);
        full
    }

    /// Finishes the current record. Returns `None` if it has no groups.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        if self.groups.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(self.length());
        out.push(VERSION);
        put_text(&mut out, self.origin.namespace.as_ref().map_or("", Namespace::as_str));
        let entity = self.origin.entity.as_ref();
        put_text(&mut out, entity.map_or("", |entity| entity.service.as_str()));
        put_text(&mut out, entity.map_or("", |entity| entity.environment.as_str()));
        put_varint(&mut out, self.origin.zero_minutes.into());
        for table in [&self.metrics, &self.dimension_sets] {
            put_varint(&mut out, table.len() as u64);
            table.iter().for_each(|entry| out.extend_from_slice(entry));
        }
        out.append(&mut self.groups);
        *self = Self::new(std::mem::take(&mut self.origin), self.constants, self.limit);
        Some(out)
    }

    fn append(
        &mut self,
        start: Timestamp,
        kind: DataKind,
        dimensions: &Dimensions,
        distributions: &[(Metric, Distribution)],
    ) {
        put_signed(&mut self.groups, start.as_secs().wrapping_sub(self.start) as i64);
        self.start = start.as_secs();
        self.groups.push(kind.code());
        self.entry.clear();
        put_varint(&mut self.entry, dimensions.len() as u64);
        for (name, _) in dimensions.iter() {
            put_text(&mut self.entry, name);
            self.entry.push(u8::from(self.constants.iter().any(|constant| constant.as_str() == name)));
        }
        let set = index(&mut self.dimension_sets, &self.entry, &mut self.table_bytes);
        put_varint(&mut self.groups, set);
        dimensions.iter().for_each(|(_, value)| put_text(&mut self.groups, value));
        put_varint(&mut self.groups, distributions.len() as u64);
        for (metric, distribution) in distributions {
            self.entry.clear();
            put_text(&mut self.entry, metric.name.as_str());
            self.entry.extend([metric.unit.code(), metric.resolution.seconds() as u8]);
            let metric = index(&mut self.metrics, &self.entry, &mut self.table_bytes);
            put_varint(&mut self.groups, metric);
            distribution.encode(&mut self.groups);
        }
    }

    /// Returns an upper bound of the size of the current record in bytes.
    fn length(&self) -> usize {
        const FIXED: usize = 32;
        let namespace = self.origin.namespace.as_ref().map_or(0, |namespace| namespace.as_str().len());
        let entity = self.origin.entity.as_ref();
        let service = entity.map_or(0, |entity| entity.service.as_str().len());
        let environment = entity.map_or(0, |entity| entity.environment.as_str().len());
        [FIXED, namespace, service, environment, self.table_bytes, self.groups.len()].iter().sum()
    }
}

/// Returns the index of an entry in a table. Adds the entry if it is new, and its length to `bytes`.
fn index(table: &mut Set<Box<[u8]>>, entry: &[u8], bytes: &mut usize) -> u64 {
    let index = table.get_index_of(entry).unwrap_or_else(|| {
        *bytes = bytes.saturating_add(entry.len());
        table.insert_full(entry.into()).0
    });
    index as u64
}

/// The reason why bytes cannot be decoded as a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The record has this version, which this release does not read. Sender and receiver are of different releases.
    Version(u8),
    /// The bytes end early or contain an invalid value.
    Malformed,
}

impl From<Malformed> for RecordError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "record has version {version}, but only version {VERSION} is supported; use modules of the same release"
            ),
            Self::Malformed => f.write_str("malformed record"),
        }
    }
}

impl std::error::Error for RecordError {}

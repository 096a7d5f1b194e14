//! The input of PutMetricData: all data of a request are good, or none is taken.

use acpw_config::comma_separated;
use acpw_metric::{Accumulator, DataKind, Namespace, Origin, PeriodKey, Timestamp, quota::MAX_DATA_PER_REQUEST};

use crate::{
    datum::{Datum, required},
    entity::{self, MAX_ENTITIES},
    fault::{self, Path, ValidationErrorKind, ValidationErrors},
    fields::Fields,
    node::Node,
    rules::Reading,
};

/// A record above this many bytes is split.
const RECORD_LIMIT: usize = 64 * 1024;

const FIELDS: [&str; 4] = ["Namespace", "MetricData", "EntityMetricData", "StrictEntityValidation"];

/// A request that CloudWatch would take.
#[derive(Clone, Debug, PartialEq)]
pub struct PutMetricData {
    namespace: Namespace,
    data: Vec<Datum>,
    /// Why an entity was left out, where the request is content with that.
    entity_failure: Option<String>,
}

/// What one post comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posting {
    /// What goes onto the receiver's queue.
    pub records: Vec<Vec<u8>>,
    /// How many data were posted.
    pub data: usize,
    /// How many values they have.
    pub values: u64,
    /// How many bytes of memory they take in the receiver at most.
    pub memory: u64,
    /// Why an entity was left out.
    pub entity_failure: Option<String>,
}

impl PutMetricData {
    /// Reads one request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(node: &Node<'_>, reading: &Reading<'_>, faults: &mut ValidationErrors) -> Option<Self> {
        Self::read_at(node, &Path::Root, reading, faults)
    }

    /// Reads a list of requests; all are good, or none is taken.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn read_batch(node: &Node<'_>, reading: &Reading<'_>, faults: &mut ValidationErrors) -> Option<Vec<Self>> {
        let Node::List(items) = node else {
            faults.add_kind(ValidationErrorKind::Type, Path::Root, "must be a list of PutMetricData inputs");
            return None;
        };
        let read = |(index, item): (usize, _)| Self::read_at(item, &Path::Item(&Path::Root, index), reading, faults);
        let requests: Vec<_> = items.iter().enumerate().map(read).collect();
        requests.into_iter().collect()
    }

    fn read_at(node: &Node<'_>, path: &Path<'_>, reading: &Reading<'_>, faults: &mut ValidationErrors) -> Option<Self> {
        let fields = Fields::of(node, path, &FIELDS, reading.unknown, faults)?;
        let namespace = required(&fields, "Namespace", Namespace::new, faults);
        let namespace = namespace.and_then(|namespace| allowed(namespace, &fields, reading, faults));
        let (entities, entity_failure) = read_entities(&fields, reading, faults);
        let plain = Path::Field(path, "MetricData");
        let mut lists = vec![(&plain, fields.list("MetricData", faults).unwrap_or_default(), None)];
        let entity_paths: Vec<_> = entities.iter().map(|entity| entity.path()).collect();
        let entity_paths: Vec<_> = entity_paths.iter().map(|path| Path::Field(path, "MetricData")).collect();
        for (entity, path) in entities.iter().zip(&entity_paths) {
            lists.push((path, entity.items, entity.entity.clone()));
        }
        let count: usize = lists.iter().map(|(_, items, _)| items.len()).sum();
        if count == 0 {
            faults.add_kind(ValidationErrorKind::Missing, plain, "must have at least one datum");
        }
        if count > MAX_DATA_PER_REQUEST {
            let message =
                format_args!("has {count} items; CloudWatch takes at most {MAX_DATA_PER_REQUEST} in a request");
            faults.add_kind(ValidationErrorKind::Value, plain, message);
            return None;
        }
        let mut data = Vec::with_capacity(count);
        for (path, items, entity) in lists {
            for (index, item) in items.iter().enumerate() {
                let datum = Datum::read(item, &Path::Item(path, index), reading, faults);
                data.extend(datum.map(|datum| Datum { entity: entity.clone(), ..datum }));
            }
        }
        let namespace = namespace?;
        (data.len() == count && count > 0).then_some(Self { namespace, data, entity_failure })
    }
}

/// Merges the data of requests that arrived at a time, by this host's clock, into records for the receiver.
pub fn post(requests: Vec<PutMetricData>, arrival: Timestamp) -> Posting {
    let mut posting = Posting::default();
    let mut held = Accumulator::default();
    for PutMetricData { namespace, data, entity_failure } in requests {
        posting.data = posting.data.saturating_add(data.len());
        posting.entity_failure = posting.entity_failure.or(entity_failure);
        for Datum { metric, dimensions, timestamp, distribution, entity } in data {
            let (time, kind) = match timestamp {
                Some(time) => (time, DataKind::STATED),
                None => (arrival, DataKind::RECEIVED),
            };
            let origin = Origin { namespace: Some(namespace.clone()), entity, ..Origin::default() };
            held.file(PeriodKey::new(time, kind, origin, &metric), &dimensions, &metric, &distribution);
        }
    }
    posting.values = held.samples();
    posting.memory = held.bytes() as u64;
    posting.records = held.into_records(RECORD_LIMIT);
    posting
}

fn allowed(
    namespace: Namespace,
    fields: &Fields<'_, '_>,
    reading: &Reading<'_>,
    faults: &mut ValidationErrors,
) -> Option<Namespace> {
    let namespaces = &reading.rules.namespaces;
    if namespaces.is_empty() || namespaces.contains(&namespace) {
        return Some(namespace);
    }
    let names = comma_separated(&mut namespaces.iter().map(Namespace::as_str));
    let message = format_args!("must be one that this gateway takes: {names}");
    faults.add_kind(ValidationErrorKind::Value, Path::Field(fields.path(), "Namespace"), message);
    None
}

/// An item of `EntityMetricData`.
struct EntityData<'n> {
    index: usize,
    list: Path<'n>,
    items: &'n [Node<'n>],
    entity: Option<acpw_metric::Entity>,
}

impl EntityData<'_> {
    fn path(&self) -> Path<'_> {
        Path::Item(&self.list, self.index)
    }
}

/// The items of `EntityMetricData`, and why an entity is left out. AWS stores the data of an entity that it does not
/// take when `StrictEntityValidation` is false, and says so in a header.
fn read_entities<'n>(
    fields: &Fields<'n, 'n>,
    reading: &Reading<'_>,
    faults: &mut ValidationErrors,
) -> (Vec<EntityData<'n>>, Option<String>) {
    let list = Path::Field(fields.path(), "EntityMetricData");
    let items = fields.list("EntityMetricData", faults).unwrap_or_default();
    if items.is_empty() {
        return (Vec::new(), None);
    }
    if items.len() > MAX_ENTITIES {
        let message = format_args!("has {} items; CloudWatch takes at most {MAX_ENTITIES}", items.len());
        faults.add_kind(ValidationErrorKind::Value, list, message);
        return (Vec::new(), None);
    }
    let strict = fields.boolean("StrictEntityValidation", faults);
    if fields.node("StrictEntityValidation").is_none() {
        let path = Path::Field(fields.path(), "StrictEntityValidation");
        faults.add_kind(ValidationErrorKind::Missing, path, "is required beside EntityMetricData");
    }
    let mut read = Vec::new();
    let mut failure = None;
    for (index, item) in items.iter().enumerate() {
        let path = Path::Item(&list, index);
        let Some(data) = Fields::of(item, &path, &["Entity", "MetricData"], reading.unknown, faults) else { continue };
        let entity_path = Path::Field(&path, "Entity");
        let mut found = ValidationErrors::new(faults.style());
        let entity = match data.node("Entity") {
            Some(node) => entity::read(node, &entity_path, reading, &mut found),
            None => {
                found.add_kind(ValidationErrorKind::Missing, entity_path, "is required");
                None
            }
        };
        match strict {
            Some(false) if !found.is_empty() => failure = failure.or_else(|| Some(fault::message(&found))),
            _ => faults.append(found),
        }
        read.push(EntityData { index, list, items: data.list("MetricData", faults).unwrap_or_default(), entity });
    }
    (read, failure)
}

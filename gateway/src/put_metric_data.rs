//! Reads the input of PutMetricData and turns it into records. The data of a request is accepted as a whole or not at
//! all.

use acpw_config::comma_separated;
use acpw_metric::{Accumulator, DataKind, Namespace, Origin, PeriodKey, Timestamp, quota::MAX_DATA_PER_REQUEST};

use crate::{
    datum::{Datum, required},
    entity::{self, MAX_ENTITIES},
    fault::{self, Path, ValidationErrorKind, ValidationErrors},
    fields::Fields,
    node::Node,
    rules::ReadContext,
};

/// The size in bytes above which a record is split.
const RECORD_LIMIT: usize = 64 * 1024;

const FIELDS: [&str; 4] = ["Namespace", "MetricData", "EntityMetricData", "StrictEntityValidation"];

/// A request that CloudWatch would accept.
#[derive(Clone, Debug, PartialEq)]
pub struct PutMetricData {
    namespace: Namespace,
    data: Vec<Datum>,
    /// The reason why an entity was left out, if `StrictEntityValidation` is false and one was.
    entity_failure: Option<String>,
}

/// The encoded data of a valid post, ready for the receiver's queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcceptedPost {
    /// The records for the receiver's queue.
    pub records: Vec<Vec<u8>>,
    /// The number of posted data.
    pub data: usize,
    /// The number of their values.
    pub values: u64,
    /// The maximum number of bytes of memory that the data takes in the receiver.
    pub memory: u64,
    /// The reason why an entity was left out, if one was.
    pub entity_failure: Option<String>,
}

impl AcceptedPost {
    /// Encodes `data` metric data, which `held` has merged.
    pub(crate) fn new(held: Accumulator, data: usize) -> Self {
        let (values, memory) = (held.samples(), held.bytes() as u64);
        Self { data, values, memory, records: held.into_records(RECORD_LIMIT), entity_failure: None }
    }
}

impl PutMetricData {
    /// Reads one request. Adds all of its faults to `faults`; if there are any, the request must not be used.
    pub fn read(node: &Node<'_>, context: &ReadContext<'_>, faults: &mut ValidationErrors) -> Option<Self> {
        Self::read_at(node, &Path::Root, context, faults)
    }

    /// Reads a list of requests. Adds all of their faults to `faults`; if there are any, none of the requests must be
    /// used.
    pub fn read_batch(node: &Node<'_>, context: &ReadContext<'_>, faults: &mut ValidationErrors) -> Option<Vec<Self>> {
        let Node::List(items) = node else {
            faults.add_kind(ValidationErrorKind::Type, Path::Root, "must be a list of PutMetricData inputs");
            return None;
        };
        let read = |(index, item): (usize, _)| Self::read_at(item, &Path::Item(&Path::Root, index), context, faults);
        let requests: Vec<_> = items.iter().enumerate().map(read).collect();
        requests.into_iter().collect()
    }

    fn read_at(
        node: &Node<'_>,
        path: &Path<'_>,
        context: &ReadContext<'_>,
        faults: &mut ValidationErrors,
    ) -> Option<Self> {
        let fields = Fields::new(node, path, &FIELDS, context.unknown, faults)?;
        let namespace = required(&fields, "Namespace", Namespace::new, faults);
        let namespace = namespace.and_then(|namespace| accepted(namespace, &fields, context, faults));
        let (entities, entity_failure) = read_entities(&fields, context, faults);
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
                format_args!("has {count} items; CloudWatch accepts at most {MAX_DATA_PER_REQUEST} in a request");
            faults.add_kind(ValidationErrorKind::Value, plain, message);
            return None;
        }
        let mut data = Vec::with_capacity(count);
        for (path, items, entity) in lists {
            for (index, item) in items.iter().enumerate() {
                let datum = Datum::read(item, &Path::Item(path, index), context, faults);
                data.extend(datum.map(|datum| Datum { entity: entity.clone(), ..datum }));
            }
        }
        let namespace = namespace?;
        (data.len() == count && count > 0).then_some(Self { namespace, data, entity_failure })
    }
}

/// Merges the data of requests into records for the receiver. `arrival` is the time of arrival by this host's clock; it
/// is the timestamp of data that has none.
pub fn encode_records(requests: Vec<PutMetricData>, arrival: Timestamp) -> AcceptedPost {
    let (mut count, mut failure) = (0usize, None);
    let mut held = Accumulator::default();
    for PutMetricData { namespace, data, entity_failure } in requests {
        count = count.saturating_add(data.len());
        failure = failure.or(entity_failure);
        for Datum { metric, dimensions, timestamp, distribution, entity } in data {
            let (time, kind) = match timestamp {
                Some(time) => (time, DataKind::STATED),
                None => (arrival, DataKind::RECEIVED),
            };
            let origin = Origin { namespace: Some(namespace.clone()), entity, ..Origin::default() };
            held.file(PeriodKey::new(time, kind, origin, &metric), &dimensions, &metric, &distribution);
        }
    }
    AcceptedPost { entity_failure: failure, ..AcceptedPost::new(held, count) }
}

/// Returns the namespace if the gateway accepts it; otherwise adds a fault.
fn accepted(
    namespace: Namespace,
    fields: &Fields<'_, '_>,
    context: &ReadContext<'_>,
    faults: &mut ValidationErrors,
) -> Option<Namespace> {
    let namespaces = &context.rules.namespaces;
    if namespaces.is_empty() || namespaces.contains(&namespace) {
        return Some(namespace);
    }
    let names = comma_separated(&mut namespaces.iter().map(Namespace::as_str));
    let message = format_args!("must be a namespace that this gateway accepts: {names}");
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

/// Reads the items of `EntityMetricData`. Also returns the reason why an entity is left out, if one is.
///
/// If `StrictEntityValidation` is false, AWS stores the data of an invalid entity without it and reports that in a
/// header.
fn read_entities<'n>(
    fields: &Fields<'n, 'n>,
    context: &ReadContext<'_>,
    faults: &mut ValidationErrors,
) -> (Vec<EntityData<'n>>, Option<String>) {
    let list = Path::Field(fields.path(), "EntityMetricData");
    let items = fields.list("EntityMetricData", faults).unwrap_or_default();
    if items.is_empty() {
        return (Vec::new(), None);
    }
    if items.len() > MAX_ENTITIES {
        let message = format_args!("has {} items; CloudWatch accepts at most {MAX_ENTITIES}", items.len());
        faults.add_kind(ValidationErrorKind::Value, list, message);
        return (Vec::new(), None);
    }
    let strict = fields.boolean("StrictEntityValidation", faults);
    if fields.node("StrictEntityValidation").is_none() {
        let path = Path::Field(fields.path(), "StrictEntityValidation");
        faults.add_kind(ValidationErrorKind::Missing, path, "is required with EntityMetricData");
    }
    let mut read = Vec::new();
    let mut failure = None;
    for (index, item) in items.iter().enumerate() {
        let path = Path::Item(&list, index);
        let Some(data) = Fields::new(item, &path, &["Entity", "MetricData"], context.unknown, faults) else { continue };
        let entity_path = Path::Field(&path, "Entity");
        let mut found = ValidationErrors::new(faults.style());
        let entity = match data.node("Entity") {
            Some(node) => entity::read(node, &entity_path, context, &mut found),
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

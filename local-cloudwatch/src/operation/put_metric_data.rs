//! PutMetricData: all data of a request are good, or nothing is stored.

use crate::datum::Datum;
use crate::entity;
use crate::error::{ApiError, ErrorKind};
use crate::metric::{missing, read_namespace, too_large};
use crate::node::Fields;
use crate::quota::{MAX_DATA_PER_REQUEST, MAX_ENTITIES};

/// A request that CloudWatch accepts.
#[derive(Debug)]
pub(crate) struct PutMetricData {
    pub(crate) namespace: String,
    pub(crate) data: Vec<Datum>,
    /// Why an entity was ignored, for `x-amzn-failure-message`. Only without strict validation.
    pub(crate) entity_failure: Option<String>,
}

impl PutMetricData {
    /// Reads a request that arrived at `now_millis`. The error's message has a line for each fault of each datum.
    pub(crate) fn read(fields: &Fields<'_>, now_millis: i64) -> Result<Self, ApiError> {
        let namespace = read_namespace(fields)?;
        let mut items = fields.structures("MetricData")?;
        let entities = fields.structures("EntityMetricData")?;
        for entity in &entities {
            items.extend(entity.structures("MetricData")?);
        }
        if items.is_empty() {
            return Err(missing("MetricData"));
        }
        if items.len() > MAX_DATA_PER_REQUEST {
            return Err(too_large("MetricData", MAX_DATA_PER_REQUEST));
        }
        let entity_failure = check_entities(fields, &entities)?;
        Ok(Self { namespace, data: read_data(&items, now_millis)?, entity_failure })
    }

    /// How many data a request holds, be they good or not.
    pub(crate) fn count(fields: &Fields<'_>) -> usize {
        let of = |fields: &Fields<'_>| fields.list("MetricData").ok().flatten().map_or(0, <[_]>::len);
        of(fields) + fields.structures("EntityMetricData").unwrap_or_default().iter().map(of).sum::<usize>()
    }
}

fn read_data(items: &[Fields<'_>], now_millis: i64) -> Result<Vec<Datum>, ApiError> {
    let mut data = Vec::with_capacity(items.len());
    let mut faults = Vec::new();
    for item in items {
        match Datum::read(item, now_millis) {
            Ok(datum) => data.push(datum),
            Err(found) => faults.extend(found),
        }
    }
    // A field of a wrong type makes the whole body unreadable; among the other faults the first gives the code.
    let unreadable = faults.iter().find(|fault| *fault.kind() == ErrorKind::Serialization);
    let Some(first) = unreadable.or(faults.first()) else { return Ok(data) };
    let lines = faults.iter().filter(|fault| unreadable.is_none() || fault.kind() == first.kind());
    let message = lines.map(ApiError::message).collect::<Vec<_>>().join("\n");
    Err(ApiError::new(first.kind().clone(), message))
}

fn check_entities(fields: &Fields<'_>, entities: &[Fields<'_>]) -> Result<Option<String>, ApiError> {
    if entities.is_empty() {
        return Ok(None);
    }
    if entities.len() > MAX_ENTITIES {
        return Err(too_large("EntityMetricData", MAX_ENTITIES));
    }
    let is_strict = fields.boolean("StrictEntityValidation")?.ok_or_else(|| missing("StrictEntityValidation"))?;
    match entities.iter().try_for_each(entity::check) {
        Ok(()) => Ok(None),
        Err(fault) if is_strict => Err(fault),
        Err(fault) => Ok(Some(fault.message().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node, TimeForm};

    const NOW: i64 = 1_795_170_600_000;

    fn read(request: &Node) -> Result<PutMetricData, ApiError> {
        PutMetricData::read(&Fields::root(request, TimeForm::Number).unwrap(), NOW)
    }

    fn datum(value: f64) -> Node {
        Node::map([("MetricName", Node::text("m")), ("Value", Node::Number(value))])
    }

    fn request(data: Vec<Node>) -> Node {
        Node::map([("Namespace", Node::text("n")), ("MetricData", Node::List(data))])
    }

    fn entity_request(entities: usize, data: usize, key: &str, strict: Option<bool>) -> Node {
        let key = Node::map([("Type", Node::text("Service")), (key, Node::text("x"))]);
        let item = Node::map([
            ("Entity", Node::map([("KeyAttributes", key)])),
            ("MetricData", Node::List(vec![datum(1.0); data])),
        ]);
        let mut fields = vec![
            ("Namespace".to_owned(), Node::text("n")),
            ("MetricData".to_owned(), Node::List(vec![datum(1.0)])),
            ("EntityMetricData".to_owned(), Node::List(vec![item; entities])),
        ];
        fields.extend(strict.map(|strict| ("StrictEntityValidation".to_owned(), Node::Bool(strict))));
        Node::Map(fields)
    }

    #[test]
    fn a_request_has_its_quota_of_data() {
        let of = |n: usize| read(&request(vec![datum(1.0); n]));
        assert_eq!([999, 1_000, 1_001].map(|n| of(n).is_ok()), [true, true, false]);
        assert_eq!(
            of(1_001).unwrap_err().message(),
            "The collection MetricData must not have a size greater than 1000."
        );
        assert_eq!(of(0).unwrap_err().kind(), &ErrorKind::MissingParameter);
        let with_entity = |n: usize| read(&entity_request(1, n, "Name", Some(true))).is_ok();
        assert_eq!([998, 999, 1_000].map(with_entity), [true, true, false]);
    }

    #[test]
    fn every_bad_datum_is_named_on_a_line() {
        let error = read(&request(vec![datum(1.0), datum(f64::NAN), datum(2.0), datum(f64::INFINITY)])).unwrap_err();
        assert_eq!(
            error.message(),
            "The value NaN for parameter MetricData.member.2.Value is invalid.\n\
             The value inf for parameter MetricData.member.4.Value is invalid."
        );
        assert_eq!(error.kind(), &ErrorKind::InvalidParameterValue);
    }

    #[test]
    fn a_field_of_a_wrong_type_makes_the_body_unreadable() {
        let bad = Node::map([("MetricName", Node::text("m")), ("Value", Node::text("1"))]);
        let error = read(&request(vec![datum(f64::NAN), bad])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Serialization);
        assert_eq!(error.message(), "MetricData.member.2.Value must be a number.");
    }

    #[test]
    fn data_of_entities_are_stored_with_the_rest() {
        let put = read(&entity_request(2, 3, "Name", Some(true))).unwrap();
        assert_eq!((put.data.len(), put.entity_failure), (7, None));
        assert!(read(&entity_request(3, 1, "Name", Some(true))).is_err());
    }

    #[test]
    fn strict_validation_decides_what_a_bad_entity_means() {
        let error = read(&entity_request(1, 1, "Colour", Some(true))).unwrap_err();
        assert!(error.message().starts_with("The parameter EntityMetricData.member.1.Entity.KeyAttributes"), "{error}");
        assert!(read(&entity_request(1, 1, "Colour", Some(false))).unwrap().entity_failure.is_some());
        assert_eq!(read(&entity_request(1, 1, "Name", None)).unwrap_err().kind(), &ErrorKind::MissingParameter);
    }
}

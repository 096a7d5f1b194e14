//! PutMetricData. If any datum of a request is invalid, nothing is stored.

use crate::datum::MetricDatum;
use crate::entity;
use crate::error::{ApiError, ErrorKind};
use crate::metric::{missing, read_namespace, too_large};
use crate::quota::{MAX_DATA_PER_REQUEST, MAX_ENTITIES};
use crate::request_fields::RequestFields;

/// A valid request.
#[derive(Debug)]
pub(crate) struct PutMetricDataRequest {
    pub(crate) namespace: String,
    pub(crate) data: Vec<MetricDatum>,
    /// Error of an ignored entity, sent as `x-amzn-failure-message`. Set only without strict validation.
    pub(crate) entity_failure: Option<String>,
}

impl PutMetricDataRequest {
    /// Reads a request that arrived at `now_millis`.
    ///
    /// # Errors
    /// The message has one line for each error of each datum.
    pub(crate) fn read(fields: &RequestFields<'_>, now_millis: i64) -> Result<Self, ApiError> {
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

    /// Returns the number of data in a request, valid or not.
    pub(crate) fn count(fields: &RequestFields<'_>) -> usize {
        let count = |fields: &RequestFields<'_>| fields.list("MetricData").ok().flatten().map_or(0, <[_]>::len);
        count(fields) + fields.structures("EntityMetricData").unwrap_or_default().iter().map(count).sum::<usize>()
    }
}

fn read_data(items: &[RequestFields<'_>], now_millis: i64) -> Result<Vec<MetricDatum>, ApiError> {
    let mut data = Vec::with_capacity(items.len());
    let mut errors = Vec::new();
    for item in items {
        match MetricDatum::read(item, now_millis) {
            Ok(datum) => data.push(datum),
            Err(found) => errors.extend(found),
        }
    }
    // A field with a wrong type makes the whole body invalid; otherwise the first error determines the code.
    let serialization_error = errors.iter().find(|error| *error.kind() == ErrorKind::Serialization);
    let Some(first) = serialization_error.or(errors.first()) else { return Ok(data) };
    let lines = errors.iter().filter(|error| serialization_error.is_none() || error.kind() == first.kind());
    let message = lines.map(ApiError::message).collect::<Vec<_>>().join("\n");
    Err(ApiError::new(first.kind().clone(), message))
}

fn check_entities(fields: &RequestFields<'_>, entities: &[RequestFields<'_>]) -> Result<Option<String>, ApiError> {
    if entities.is_empty() {
        return Ok(None);
    }
    if entities.len() > MAX_ENTITIES {
        return Err(too_large("EntityMetricData", MAX_ENTITIES));
    }
    let is_strict = fields.boolean("StrictEntityValidation")?.ok_or_else(|| missing("StrictEntityValidation"))?;
    match entities.iter().try_for_each(entity::check) {
        Ok(()) => Ok(None),
        Err(error) if is_strict => Err(error),
        Err(error) => Ok(Some(error.message().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fields::TimeForm;
    use crate::wire_value::WireValue;

    const NOW: i64 = 1_795_170_600_000;

    fn read(request: &WireValue) -> Result<PutMetricDataRequest, ApiError> {
        PutMetricDataRequest::read(&RequestFields::root(request, TimeForm::Number).unwrap(), NOW)
    }

    fn datum(value: f64) -> WireValue {
        WireValue::structure([("MetricName", WireValue::text("m")), ("Value", WireValue::Number(value))])
    }

    fn request(data: Vec<WireValue>) -> WireValue {
        WireValue::structure([("Namespace", WireValue::text("n")), ("MetricData", WireValue::List(data))])
    }

    fn entity_request(entities: usize, data: usize, key: &str, strict: Option<bool>) -> WireValue {
        let key = WireValue::structure([("Type", WireValue::text("Service")), (key, WireValue::text("x"))]);
        let item = WireValue::structure([
            ("Entity", WireValue::structure([("KeyAttributes", key)])),
            ("MetricData", WireValue::List(vec![datum(1.0); data])),
        ]);
        let mut fields = vec![
            ("Namespace".to_owned(), WireValue::text("n")),
            ("MetricData".to_owned(), WireValue::List(vec![datum(1.0)])),
            ("EntityMetricData".to_owned(), WireValue::List(vec![item; entities])),
        ];
        fields.extend(strict.map(|strict| ("StrictEntityValidation".to_owned(), WireValue::Bool(strict))));
        WireValue::Structure(fields)
    }

    #[test]
    fn a_request_has_a_quota_of_data() {
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
    fn every_invalid_datum_has_a_line_in_the_message() {
        let error = read(&request(vec![datum(1.0), datum(f64::NAN), datum(2.0), datum(f64::INFINITY)])).unwrap_err();
        assert_eq!(
            error.message(),
            "The value NaN for parameter MetricData.member.2.Value is invalid.\n\
             The value inf for parameter MetricData.member.4.Value is invalid."
        );
        assert_eq!(error.kind(), &ErrorKind::InvalidParameterValue);
    }

    #[test]
    fn a_field_with_a_wrong_type_is_a_serialization_error() {
        let bad = WireValue::structure([("MetricName", WireValue::text("m")), ("Value", WireValue::text("1"))]);
        let error = read(&request(vec![datum(f64::NAN), bad])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Serialization);
        assert_eq!(error.message(), "MetricData.member.2.Value must be a number.");
    }

    #[test]
    fn the_data_of_entities_is_stored() {
        let put = read(&entity_request(2, 3, "Name", Some(true))).unwrap();
        assert_eq!((put.data.len(), put.entity_failure), (7, None));
        assert!(read(&entity_request(3, 1, "Name", Some(true))).is_err());
    }

    #[test]
    fn an_invalid_entity_fails_only_strict_validation() {
        let error = read(&entity_request(1, 1, "Colour", Some(true))).unwrap_err();
        assert!(error.message().starts_with("The parameter EntityMetricData.member.1.Entity.KeyAttributes"), "{error}");
        assert!(read(&entity_request(1, 1, "Colour", Some(false))).unwrap().entity_failure.is_some());
        assert_eq!(read(&entity_request(1, 1, "Name", None)).unwrap_err().kind(), &ErrorKind::MissingParameter);
    }
}

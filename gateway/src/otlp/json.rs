//! Reads an export in OTLP's JSON encoding.
//!
//! Names are in lowerCamelCase, 64-bit integers are numbers or texts, and unknown names are skipped. Bytes are read as
//! empty, because they cannot become a dimension.

use acpw_otlp::{
    AnyValue, ArrayValue, Buckets, ExponentialHistogram, ExponentialHistogramDataPoint, ExportMetricsServiceRequest,
    Gauge, Histogram, HistogramDataPoint, InstrumentationScope, KeyValue, KeyValueList, Metric, NumberDataPoint,
    Resource, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, any_value::Value, metric::Data,
    number_data_point::Value as Number,
};

use crate::{
    fault::{Path, ValidationErrorKind, ValidationErrors},
    fields::{Fields, UnknownFields},
    node::Node,
};

/// The largest whole number up to which all are doubles, which the JSON reader uses.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads an export. Adds all of its faults to `faults`; if there are any, the export must not be used.
pub(super) fn read(node: &Node<'_>, faults: &mut ValidationErrors) -> ExportMetricsServiceRequest {
    let Some(fields) = fields(node, &Path::Root, faults) else { return ExportMetricsServiceRequest::default() };
    ExportMetricsServiceRequest { resource_metrics: objects(&fields, "resourceMetrics", faults, resource_metrics) }
}

fn resource_metrics(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> ResourceMetrics {
    ResourceMetrics {
        resource: object(fields, "resource", faults, |fields, faults| Resource {
            attributes: attributes(fields, faults),
        }),
        scope_metrics: objects(fields, "scopeMetrics", faults, scope_metrics),
    }
}

fn scope_metrics(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> ScopeMetrics {
    let scope = object(fields, "scope", faults, |fields, faults| InstrumentationScope {
        name: text(fields, "name", faults),
        version: text(fields, "version", faults),
        attributes: attributes(fields, faults),
    });
    ScopeMetrics { scope, metrics: objects(fields, "metrics", faults, metric) }
}

fn metric(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Metric {
    let data = object(fields, "gauge", faults, |fields, faults| {
        Data::Gauge(Gauge { data_points: objects(fields, "dataPoints", faults, number_point) })
    });
    let data = data.or_else(|| {
        object(fields, "sum", faults, |fields, faults| {
            Data::Sum(Sum {
                data_points: objects(fields, "dataPoints", faults, number_point),
                aggregation_temporality: temporality(fields, faults),
                is_monotonic: fields.boolean("isMonotonic", faults).unwrap_or_default(),
            })
        })
    });
    let data = data.or_else(|| {
        object(fields, "histogram", faults, |fields, faults| {
            Data::Histogram(Histogram {
                data_points: objects(fields, "dataPoints", faults, histogram_point),
                aggregation_temporality: temporality(fields, faults),
            })
        })
    });
    let data = data.or_else(|| {
        object(fields, "exponentialHistogram", faults, |fields, faults| {
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: objects(fields, "dataPoints", faults, exponential_point),
                aggregation_temporality: temporality(fields, faults),
            })
        })
    });
    let data = data.or_else(|| {
        object(fields, "summary", faults, |fields, faults| {
            Data::Summary(Summary { data_points: objects(fields, "dataPoints", faults, summary_point) })
        })
    });
    Metric {
        name: text(fields, "name", faults),
        description: text(fields, "description", faults),
        unit: text(fields, "unit", faults),
        data,
    }
}

fn number_point(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> NumberDataPoint {
    let value = match fields.node("asInt") {
        Some(node) => signed(node, &Path::Field(fields.path(), "asInt"), faults).map(Number::AsInt),
        None => double(fields, "asDouble", faults).map(Number::AsDouble),
    };
    NumberDataPoint {
        attributes: attributes(fields, faults),
        start_time_unix_nano: unsigned_field(fields, "startTimeUnixNano", faults),
        time_unix_nano: unsigned_field(fields, "timeUnixNano", faults),
        value,
        flags: flags(fields, faults),
    }
}

fn histogram_point(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> HistogramDataPoint {
    let bounds = fields.numbers("explicitBounds", faults).unwrap_or_default();
    HistogramDataPoint {
        attributes: attributes(fields, faults),
        start_time_unix_nano: unsigned_field(fields, "startTimeUnixNano", faults),
        time_unix_nano: unsigned_field(fields, "timeUnixNano", faults),
        count: unsigned_field(fields, "count", faults),
        sum: double(fields, "sum", faults),
        bucket_counts: counts(fields, faults),
        explicit_bounds: bounds,
        flags: flags(fields, faults),
        min: double(fields, "min", faults),
        max: double(fields, "max", faults),
    }
}

fn exponential_point(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: attributes(fields, faults),
        start_time_unix_nano: unsigned_field(fields, "startTimeUnixNano", faults),
        time_unix_nano: unsigned_field(fields, "timeUnixNano", faults),
        count: unsigned_field(fields, "count", faults),
        sum: double(fields, "sum", faults),
        scale: small(fields, "scale", faults),
        zero_count: unsigned_field(fields, "zeroCount", faults),
        positive: object(fields, "positive", faults, buckets),
        negative: object(fields, "negative", faults, buckets),
        flags: flags(fields, faults),
        min: double(fields, "min", faults),
        max: double(fields, "max", faults),
        zero_threshold: double(fields, "zeroThreshold", faults).unwrap_or_default(),
    }
}

fn buckets(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Buckets {
    Buckets { offset: small(fields, "offset", faults), bucket_counts: counts(fields, faults) }
}

/// Reads a summary without its quantiles, which are not published.
fn summary_point(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> SummaryDataPoint {
    SummaryDataPoint {
        attributes: attributes(fields, faults),
        start_time_unix_nano: unsigned_field(fields, "startTimeUnixNano", faults),
        time_unix_nano: unsigned_field(fields, "timeUnixNano", faults),
        count: unsigned_field(fields, "count", faults),
        sum: double(fields, "sum", faults).unwrap_or_default(),
        quantile_values: Vec::new(),
        flags: flags(fields, faults),
    }
}

fn attributes(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Vec<KeyValue> {
    objects(fields, "attributes", faults, attribute)
}

fn attribute(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> KeyValue {
    KeyValue { key: text(fields, "key", faults), value: object(fields, "value", faults, any_value) }
}

/// Reads the value of an attribute. The JSON reader bounds the depth of the recursion.
fn any_value(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> AnyValue {
    let value = if fields.node("stringValue").is_some() {
        Some(Value::StringValue(text(fields, "stringValue", faults)))
    } else if let Some(is_true) = fields.boolean("boolValue", faults) {
        Some(Value::BoolValue(is_true))
    } else if let Some(node) = fields.node("intValue") {
        signed(node, &Path::Field(fields.path(), "intValue"), faults).map(Value::IntValue)
    } else if let Some(number) = double(fields, "doubleValue", faults) {
        Some(Value::DoubleValue(number))
    } else if fields.node("bytesValue").is_some() {
        Some(Value::BytesValue(Vec::new()))
    } else {
        let array = object(fields, "arrayValue", faults, |fields, faults| {
            Value::ArrayValue(ArrayValue { values: objects(fields, "values", faults, any_value) })
        });
        array.or_else(|| {
            object(fields, "kvlistValue", faults, |fields, faults| {
                Value::KvlistValue(KeyValueList { values: objects(fields, "values", faults, attribute) })
            })
        })
    };
    AnyValue { value }
}

fn fields<'n, 'p>(node: &'n Node<'n>, path: &'p Path<'p>, faults: &mut ValidationErrors) -> Option<Fields<'n, 'p>> {
    Fields::new(node, path, &[], UnknownFields::Ignored, faults)
}

/// Reads a field that must be an object.
fn object<T>(
    outer: &Fields<'_, '_>,
    name: &str,
    faults: &mut ValidationErrors,
    read: fn(&Fields<'_, '_>, &mut ValidationErrors) -> T,
) -> Option<T> {
    let path = Path::Field(outer.path(), name);
    let fields = fields(outer.node(name)?, &path, faults)?;
    Some(read(&fields, faults))
}

/// Reads a field that must be a list of objects.
fn objects<T>(
    outer: &Fields<'_, '_>,
    name: &str,
    faults: &mut ValidationErrors,
    read: fn(&Fields<'_, '_>, &mut ValidationErrors) -> T,
) -> Vec<T> {
    let list = Path::Field(outer.path(), name);
    let mut items = Vec::new();
    for (index, node) in outer.list(name, faults).unwrap_or_default().iter().enumerate() {
        let path = Path::Item(&list, index);
        if let Some(fields) = fields(node, &path, faults) {
            items.push(read(&fields, faults));
        }
    }
    items
}

fn text(fields: &Fields<'_, '_>, name: &str, faults: &mut ValidationErrors) -> String {
    fields.text(name, faults).unwrap_or_default().to_owned()
}

/// Reads a number. Protobuf's JSON mapping also writes texts, among them `NaN`, `Infinity` and `-Infinity`.
fn double(fields: &Fields<'_, '_>, name: &str, faults: &mut ValidationErrors) -> Option<f64> {
    match fields.node(name)? {
        Node::Text(text) if text.parse::<f64>().is_ok() => text.parse().ok(),
        _ => fields.number(name, faults),
    }
}

fn unsigned_field(fields: &Fields<'_, '_>, name: &str, faults: &mut ValidationErrors) -> u64 {
    let node = fields.node(name);
    node.and_then(|node| unsigned(node, &Path::Field(fields.path(), name), faults)).unwrap_or_default()
}

/// Reads the counts of buckets.
fn counts(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> Vec<u64> {
    let path = Path::Field(fields.path(), "bucketCounts");
    let items = fields.list("bucketCounts", faults).unwrap_or_default().iter().enumerate();
    items.filter_map(|(index, node)| unsigned(node, &Path::Item(&path, index), faults)).collect()
}

fn unsigned(node: &Node<'_>, path: &Path<'_>, faults: &mut ValidationErrors) -> Option<u64> {
    let number = match node {
        Node::Text(text) => text.parse().ok(),
        // A number of nanoseconds is rounded to the nearest double, by less than a microsecond.
        Node::Number(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
        _ => None,
    };
    if number.is_none() {
        faults.add_kind(ValidationErrorKind::Type, path, "must be a whole number of at least 0");
    }
    number
}

fn signed(node: &Node<'_>, path: &Path<'_>, faults: &mut ValidationErrors) -> Option<i64> {
    let number = match node {
        Node::Text(text) => text.parse().ok(),
        Node::Number(number) if number.abs() <= MAX_EXACT && number.fract() == 0.0 => Some(*number as i64),
        _ => None,
    };
    if number.is_none() {
        let message = "must be a whole number of 64 bits, as a text if it is beyond 2^53";
        faults.add_kind(ValidationErrorKind::Type, path, message);
    }
    number
}

/// Reads a whole number of 32 bits.
fn small(fields: &Fields<'_, '_>, name: &str, faults: &mut ValidationErrors) -> i32 {
    let path = Path::Field(fields.path(), name);
    let Some(number) = fields.node(name).and_then(|node| signed(node, &path, faults)) else { return 0 };
    i32::try_from(number).unwrap_or_else(|_| {
        faults.add_kind(ValidationErrorKind::Type, path, "must be a whole number of 32 bits");
        0
    })
}

fn flags(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> u32 {
    u32::try_from(unsigned_field(fields, "flags", faults)).unwrap_or_default()
}

/// Reads a temporality, which OTLP encodes as a number. Some clients send the name.
fn temporality(fields: &Fields<'_, '_>, faults: &mut ValidationErrors) -> i32 {
    const NAME: &str = "aggregationTemporality";
    match fields.node(NAME) {
        Some(Node::Text(text)) if text == "AGGREGATION_TEMPORALITY_DELTA" => 1,
        Some(Node::Text(text)) if text == "AGGREGATION_TEMPORALITY_CUMULATIVE" => 2,
        Some(Node::Text(text)) if text.parse::<i32>().is_err() => {
            let message = "must be 1 (delta) or 2 (cumulative)";
            faults.add_kind(ValidationErrorKind::Type, Path::Field(fields.path(), NAME), message);
            0
        }
        _ => small(fields, NAME, faults),
    }
}

#[cfg(test)]
mod tests {
    use acpw_config::PathStyle;
    use acpw_otlp::{metric::Data, number_data_point::Value as Number};
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as OfficialRequest;
    use prost::Message;

    use super::*;
    use crate::protocol::json::decode;

    fn read_text(document: &str) -> (ExportMetricsServiceRequest, Vec<String>) {
        let mut faults = ValidationErrors::new(PathStyle::Plain);
        let request = read(&decode(document.as_bytes()).unwrap(), &mut faults);
        (request, faults.listed().iter().map(|fault| format!("{} {}", fault.path, fault.message)).collect())
    }

    #[test]
    fn every_field_is_read_as_opentelemetry_reads_it() {
        let attributes = r#""attributes": [{"key": "t", "value": {"stringValue": "v"}},
            {"key": "b", "value": {"boolValue": false}}, {"key": "i", "value": {"intValue": "-7"}},
            {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "a", "value": {"arrayValue": {"values": [{"intValue": 1}, {}]}}},
            {"key": "k", "value": {"kvlistValue": {"values": [{"key": "n", "value": {}}]}}}, {"key": "none"}]"#;
        let times = r#""startTimeUnixNano": "1787402220000000001", "timeUnixNano": "1787402220000000002", "flags": 1"#;
        let document = format!(
            r#"{{"resourceMetrics": [{{"resource": {{{attributes}}}, "schemaUrl": "u", "scopeMetrics": [{{
            "scope": {{"name": "s", "version": "1", {attributes}}}, "metrics": [
            {{"name": "a", "unit": "1", "description": "d", "sum": {{"aggregationTemporality": 2, "isMonotonic": true,
                "dataPoints": [{{"asInt": "9223372036854775807", "exemplars": [], {times}, {attributes}}}]}}}},
            {{"name": "b", "gauge": {{"dataPoints": [{{"asDouble": -0.5, {times}}}, {{"asInt": 3}}, {{}}]}}}},
            {{"name": "c", "histogram": {{"aggregationTemporality": 1, "dataPoints": [
                {{"count": "3", "sum": 6.5, "bucketCounts": ["1", 2], "explicitBounds": [2], "min": 1, "max": 4, {times}}}]}}}},
            {{"name": "e", "exponentialHistogram": {{"aggregationTemporality": 1, "dataPoints": [
                {{"count": 5, "scale": -2, "zeroCount": "1", "zeroThreshold": 0.5, "sum": 1, "min": -1, "max": 2, {times},
                "positive": {{"offset": 3, "bucketCounts": [1]}}, "negative": {{"offset": -3, "bucketCounts": ["3"]}}}}]}}}},
            {{"name": "f", "summary": {{"dataPoints": [{{"count": "2", "sum": 3, {times}}}]}}}}, {{"name": "g"}}]}}]}}]}}"#
        );
        let (request, faults) = read_text(&document);
        assert_eq!(faults, [""; 0]);
        let official: OfficialRequest = serde_json::from_str(&document).unwrap();
        assert_eq!(request, ExportMetricsServiceRequest::decode(official.encode_to_vec().as_slice()).unwrap());
    }

    #[test]
    fn other_forms_of_values_are_read() {
        let document = r#"{"resourceMetrics": [{"resource": {"attributes": [{"key": "x", "value": {"bytesValue": "AAA="}}]},
            "scopeMetrics": [{"metrics": [
            {"name": "a", "gauge": {"dataPoints": [{"asDouble": "-Infinity"}, {"asDouble": "NaN"}, {"asInt": "3"}]}},
            {"name": "b", "histogram": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}}]}]}]}"#;
        let (request, faults) = read_text(document);
        assert_eq!(faults, [""; 0]);
        let resource = &request.resource_metrics[0];
        assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "x");
        let [gauge, histogram] = &resource.scope_metrics[0].metrics[..] else { panic!("{request:?}") };
        let Some(Data::Gauge(gauge)) = &gauge.data else { panic!("{gauge:?}") };
        let values: Vec<_> = gauge.data_points.iter().map(|point| point.value).collect();
        assert_eq!((values[0], values[2]), (Some(Number::AsDouble(f64::NEG_INFINITY)), Some(Number::AsInt(3))));
        assert!(matches!(values[1], Some(Number::AsDouble(value)) if value.is_nan()));
        let Some(Data::Histogram(histogram)) = &histogram.data else { panic!("{histogram:?}") };
        assert_eq!(histogram.aggregation_temporality, 1);
    }

    #[test]
    fn each_fault_has_its_path() {
        let document = r#"{"resourceMetrics": [1, {"scopeMetrics": [{"metrics": [
            {"name": 1, "sum": {"aggregationTemporality": "DELTA", "dataPoints": [{"asInt": 9007199254740994}]}},
            {"histogram": {"dataPoints": [{"count": -1, "bucketCounts": [0.5], "sum": "x", "flags": true}]}},
            {"exponentialHistogram": {"dataPoints": [{"scale": 4294967296}]}}]}]}]}"#;
        let (_, faults) = read_text(document);
        let metrics = "resourceMetrics[1].scopeMetrics[0].metrics";
        let expected = [
            "resourceMetrics[0] must be an object".to_owned(),
            format!(
                "{metrics}[0].sum.dataPoints[0].asInt must be a whole number of 64 bits, as a text if it is beyond 2^53"
            ),
            format!("{metrics}[0].sum.aggregationTemporality must be 1 (delta) or 2 (cumulative)"),
            format!("{metrics}[0].name must be a string"),
            format!("{metrics}[1].histogram.dataPoints[0].count must be a whole number of at least 0"),
            format!("{metrics}[1].histogram.dataPoints[0].sum must be a number"),
            format!("{metrics}[1].histogram.dataPoints[0].bucketCounts[0] must be a whole number of at least 0"),
            format!("{metrics}[1].histogram.dataPoints[0].flags must be a whole number of at least 0"),
            format!("{metrics}[2].exponentialHistogram.dataPoints[0].scale must be a whole number of 32 bits"),
        ];
        assert_eq!(faults, expected);
    }
}

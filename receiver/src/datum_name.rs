//! Names the series of an encoded datum for the log.

use serde_json::Value;

/// The maximum length of a name in characters. Longer names are truncated.
const MAX_CHARS: usize = 500;

/// Returns the namespace, the metric's name and the dimensions of a datum: `MyApp Latency {host=a, path=/x}`.
/// `document` is the request's body, `datum` the part of it that is the datum.
pub(crate) fn name(document: &[u8], datum: &[u8]) -> Option<String> {
    let datum: Value = serde_json::from_slice(datum).ok()?;
    let namespace = namespace(document).unwrap_or_default();
    let mut name = [&namespace, " ", datum.get("MetricName")?.as_str()?].concat();
    let dimensions = datum.get("Dimensions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, dimension) in dimensions.iter().enumerate() {
        let text = |key: &str| dimension.get(key).and_then(Value::as_str).unwrap_or_default();
        name.push_str(if index == 0 { " {" } else { ", " });
        name.push_str(text("Name"));
        name.push('=');
        name.push_str(text("Value"));
    }
    if !dimensions.is_empty() {
        name.push('}');
    }
    Some(name.chars().take(MAX_CHARS).collect())
}

/// Returns the namespace, which a request's body begins with.
fn namespace(document: &[u8]) -> Option<String> {
    let rest = document.strip_prefix(b"{\"Namespace\":")?;
    serde_json::Deserializer::from_slice(rest).into_iter::<String>().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_namespace_metric_and_dimensions() {
        let head = br#"{"Namespace":"My\"App","MetricData":["#;
        for (datum, expected) in [
            (r#"{"MetricName":"M","Timestamp":1,"Values":[1]}"#, Some("My\"App M")),
            (r#"{"MetricName":"M","Dimensions":[{"Name":"host","Value":"a"}]}"#, Some("My\"App M {host=a}")),
            (
                r#"{"Dimensions":[{"Name":"a","Value":"1"},{"Name":"b","Value":"\"2"}],"MetricName":"M"}"#,
                Some("My\"App M {a=1, b=\"2}"),
            ),
            (r#"{"Timestamp":1}"#, None),
            ("{", None),
        ] {
            assert_eq!(name(head, datum.as_bytes()).as_deref(), expected, "{datum}");
        }
        let long = format!(r#"{{"MetricName":"{}"}}"#, "é".repeat(10_000));
        assert_eq!(name(b"", long.as_bytes()).unwrap().chars().count(), MAX_CHARS);
    }
}

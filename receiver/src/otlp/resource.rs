//! The resource attributes: what the metrics describe.

use acpw_config::{Field, Members, ValidationErrors};
use acpw_metric::Entity;
use acpw_otlp::{AnyValue, KeyValue, Resource, any_value::Value};
use percent_encoding::percent_decode_str;

use crate::environment::{Environment, variable};

/// The value of `service.name` without any configuration, by OpenTelemetry's convention for unknown services.
const UNKNOWN_SERVICE: &str = "unknown_service:envoy";

/// The resource attributes of a receiver's data.
#[derive(Debug)]
pub(super) struct ResourceAttributes {
    configured: Vec<(String, String)>,
    /// Those of the metadata of the ECS task.
    detected: Vec<(&'static str, String)>,
    /// The value of `service.instance.id`. OpenTelemetry requires that no two processes write the same series.
    instance: String,
}

impl ResourceAttributes {
    /// Creates the attributes of a receiver. `seed` differs between receivers, and between restarts of one.
    pub(super) fn new(configured: Vec<(String, String)>, seed: u64) -> Self {
        Self { configured, detected: Vec::new(), instance: format!("{seed:016x}") }
    }

    /// Sets the attributes that were read from metadata.
    pub(super) fn set_detected(&mut self, attributes: &[(&'static str, String)]) {
        self.detected = attributes.to_vec();
    }

    /// Returns the resource of a sender's data, which may have an entity. The attributes are sorted by name.
    pub(super) fn of(&self, entity: Option<&Entity>, region: Option<&str>) -> Resource {
        let mut attributes: Vec<(&str, &str)> = Vec::new();
        let mut add = |name, value| {
            if let Err(index) = attributes.binary_search_by(|(known, _)| known.cmp(&name)) {
                attributes.insert(index, (name, value));
            }
        };
        if let Some(entity) = entity {
            add("service.name", entity.service.as_str());
            add("deployment.environment.name", entity.environment.as_str());
        }
        self.configured.iter().for_each(|(name, value)| add(name, value));
        self.detected.iter().for_each(|(name, value)| add(name, value));
        add("service.name", UNKNOWN_SERVICE);
        add("service.instance.id", &self.instance);
        if let Some(region) = region {
            add("cloud.provider", "aws");
            add("cloud.region", region);
        }
        Resource { attributes: attributes.into_iter().map(|(name, value)| text(name, value)).collect() }
    }
}

/// Creates an attribute with a text.
pub(super) fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Value::StringValue(value.to_owned()))
}

/// Creates an attribute.
pub(super) fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

/// Validates `otlp.resource_attributes` and returns them with those of the environment. The first of two attributes
/// with the same name is used: the configuration's, then `OTEL_SERVICE_NAME`, then `OTEL_RESOURCE_ATTRIBUTES`, then
/// `HOSTNAME`.
pub(super) fn configured(
    raw: Field<Members<String>>,
    environment: Environment<'_>,
    errors: &mut ValidationErrors,
) -> Vec<(String, String)> {
    const KEY: &str = "otlp.resource_attributes";
    const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut attributes: Vec<(String, String)> = Vec::new();
    let mut add = |name: String, value: String| {
        if !attributes.iter().any(|(known, _)| *known == name) {
            attributes.push((name, value));
        }
    };
    for (name, value) in raw.optional(KEY, errors).unwrap_or_default().0 {
        let path = if name.is_empty() { KEY.to_owned() } else { format!("{KEY}.{}", name.escape_default()) };
        let Some(value) = value.required(&path, errors) else { continue };
        if name.is_empty() || value.is_empty() {
            errors.add(path, "must have names and values of at least one character");
        } else {
            add(name, value);
        }
    }
    if let Some(name) = variable(environment, "OTEL_SERVICE_NAME") {
        add("service.name".to_owned(), name);
    }
    let listed = variable(environment, VARIABLE).unwrap_or_default();
    for pair in listed.split(',').filter(|pair| !pair.trim().is_empty()) {
        let decoded = pair.split_once('=').and_then(|(name, value)| {
            let value = String::from_utf8(percent_decode_str(value.trim()).collect()).ok()?;
            Some((name.trim().to_owned(), value)).filter(|(name, value)| !name.is_empty() && !value.is_empty())
        });
        match decoded {
            Some((name, value)) => add(name, value),
            None => errors.add(
                VARIABLE,
                format_args!("must be a list of name=value separated by commas, got \"{}\"", pair.escape_default()),
            ),
        }
    }
    if let Some(host) = variable(environment, "HOSTNAME") {
        add("host.name".to_owned(), host);
    }
    attributes
}

#[cfg(test)]
mod tests {
    use acpw_metric::EntityText;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "OTEL_SERVICE_NAME" => "shop",
            "OTEL_RESOURCE_ATTRIBUTES" => "service.name=other,k8s.pod.name=pod%2D1 , service.version=1.2",
            "HOSTNAME" => "host-1",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn attributes(resource: &Resource) -> Vec<(&str, &str)> {
        let value = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone().leak() as &str,
            other => panic!("{other:?}"),
        };
        resource.attributes.iter().map(|attribute| (attribute.key.as_str(), value(attribute))).collect()
    }

    #[test]
    fn the_configuration_replaces_the_environment_and_an_entity_replaces_both() {
        let mut errors = ValidationErrors::default();
        let raw = Field::Valid(Members(vec![("service.version".to_owned(), Field::Valid("9".to_owned()))]));
        let configured = configured(raw, &environment, &mut errors);
        assert!(errors.is_empty());
        let resource = ResourceAttributes::new(configured, 0xabc);
        let expected = [
            ("cloud.provider", "aws"),
            ("cloud.region", "eu-west-1"),
            ("host.name", "host-1"),
            ("k8s.pod.name", "pod-1"),
            ("service.instance.id", "0000000000000abc"),
            ("service.name", "shop"),
            ("service.version", "9"),
        ];
        assert_eq!(attributes(&resource.of(None, Some("eu-west-1"))), expected);
        let text = |text| EntityText::new(text).unwrap();
        let entity = Entity { service: text("checkout"), environment: text("eks:production/shop") };
        let of_entity = resource.of(Some(&entity), None);
        let of_entity = attributes(&of_entity);
        assert!(of_entity.contains(&("service.name", "checkout")) && !of_entity.contains(&("service.name", "shop")));
        assert!(of_entity.contains(&("deployment.environment.name", "eks:production/shop")));
    }

    #[test]
    fn a_service_without_a_name_is_unknown() {
        let resource = ResourceAttributes::new(Vec::new(), 1);
        assert!(attributes(&resource.of(None, None)).contains(&("service.name", UNKNOWN_SERVICE)));
    }

    #[test]
    fn a_variable_that_is_no_list_is_an_error() {
        let mut errors = ValidationErrors::default();
        let broken = |name: &str| (name == "OTEL_RESOURCE_ATTRIBUTES").then(|| "a=b,c,d=%ff".to_owned());
        assert_eq!(configured(Field::Absent, &broken, &mut errors), [("a".to_owned(), "b".to_owned())]);
        let lines: Vec<String> = errors.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], "OTEL_RESOURCE_ATTRIBUTES: must be a list of name=value separated by commas, got \"c\"");
    }
}

//! Resources as CloudFormation templates and in Terraform's JSON syntax.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The format of dashboards and alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The inputs of AWS's API operations.
    #[default]
    Cloudwatch,
    /// A CloudFormation template.
    Cloudformation,
    /// Terraform's JSON syntax, for a file whose name ends with `.tf.json`.
    Terraform,
}

/// The region of the stack, in a CloudFormation template.
pub const CLOUDFORMATION_REGION: &str = "${AWS::Region}";

/// The region, in Terraform.
pub const TERRAFORM_REGION: &str = "${var.region}";

/// A resource of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The name in the template, in CloudFormation's form: letters and digits, starting with an upper-case letter.
    pub id: String,
    /// The kind.
    pub kind: ResourceKind,
    /// The properties by CloudFormation's names.
    pub properties: Map<String, Value>,
}

/// The kind of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A dashboard of CloudWatch.
    Dashboard,
    /// An alarm of CloudWatch.
    Alarm,
    /// A target of Application Auto Scaling.
    ScalableTarget,
    /// A policy of Application Auto Scaling.
    ScalingPolicy,
}

/// A parameter of a template, in CloudFormation's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter(pub String);

impl ResourceKind {
    fn cloudformation(self) -> &'static str {
        match self {
            Self::Dashboard => "AWS::CloudWatch::Dashboard",
            Self::Alarm => "AWS::CloudWatch::Alarm",
            Self::ScalableTarget => "AWS::ApplicationAutoScaling::ScalableTarget",
            Self::ScalingPolicy => "AWS::ApplicationAutoScaling::ScalingPolicy",
        }
    }

    fn terraform(self) -> &'static str {
        match self {
            Self::Dashboard => "aws_cloudwatch_dashboard",
            Self::Alarm => "aws_cloudwatch_metric_alarm",
            Self::ScalableTarget => "aws_appautoscaling_target",
            Self::ScalingPolicy => "aws_appautoscaling_policy",
        }
    }

    /// Returns the name of the API operation that creates the resource.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Dashboard => "PutDashboard",
            Self::Alarm => "PutMetricAlarm",
            Self::ScalableTarget => "RegisterScalableTarget",
            Self::ScalingPolicy => "PutScalingPolicy",
        }
    }
}

impl Resource {
    /// Creates a dashboard.
    ///
    /// # Errors
    /// Returns a message if the body cannot be written as a text.
    pub fn dashboard(name: &str, body: &Value) -> Result<Self, String> {
        let body = serde_json::to_string(body).map_err(|error| format!("the dashboard cannot be written: {error}"))?;
        let mut properties = Map::new();
        properties.insert("DashboardName".to_owned(), json!(name));
        properties.insert("DashboardBody".to_owned(), json!(body));
        Ok(Self { id: "Dashboard".to_owned(), kind: ResourceKind::Dashboard, properties })
    }
}

/// Returns a reference to a parameter or resource, which [`document`] writes in the syntax of the format.
pub fn reference(id: &str) -> Value {
    json!({ "Ref": id })
}

/// Returns a text with parts that are references, which [`document`] writes in the syntax of the format.
pub fn joined(parts: Vec<Value>) -> Value {
    json!({ "Fn::Join": ["", parts] })
}

/// Returns a template with resources. It declares each parameter that a resource refers to.
pub fn document(format: Format, resources: &[Resource]) -> Value {
    match format {
        Format::Cloudwatch => operations(resources),
        Format::Cloudformation => cloudformation(resources),
        Format::Terraform => terraform(resources),
    }
}

/// Returns the inputs of the API operations that create the resources, by operation.
fn operations(resources: &[Resource]) -> Value {
    let mut operations: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for resource in resources {
        let input = Value::Object(resource.properties.clone());
        operations.entry(resource.kind.operation()).or_default().push(input);
    }
    json!(operations)
}

fn cloudformation(resources: &[Resource]) -> Value {
    let mut parameters = Map::new();
    let mut written = Map::new();
    for resource in resources {
        let mut properties = resource.properties.clone();
        for value in properties.values() {
            for id in references(value).into_iter().filter(|id| !resources.iter().any(|one| one.id == *id)) {
                parameters.insert(id, json!({ "Type": "String" }));
            }
        }
        if let Some(Value::String(body)) = properties.get("DashboardBody")
            && body.contains(CLOUDFORMATION_REGION)
        {
            let escaped = body.replace("${", "${!").replace("${!AWS::Region}", CLOUDFORMATION_REGION);
            properties.insert("DashboardBody".to_owned(), json!({ "Fn::Sub": escaped }));
        }
        let resource_type = resource.kind.cloudformation();
        written.insert(resource.id.clone(), json!({ "Type": resource_type, "Properties": properties }));
    }
    let mut document = Map::new();
    document.insert("AWSTemplateFormatVersion".to_owned(), json!("2010-09-09"));
    if !parameters.is_empty() {
        document.insert("Parameters".to_owned(), Value::Object(parameters));
    }
    document.insert("Resources".to_owned(), Value::Object(written));
    Value::Object(document)
}

fn terraform(resources: &[Resource]) -> Value {
    let mut variables = Map::new();
    let mut written: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for resource in resources {
        let mut arguments = Map::new();
        for (name, value) in &resource.properties {
            for id in references(value).into_iter().filter(|id| !resources.iter().any(|one| one.id == *id)) {
                variables.insert(snake_case(&id), json!({ "type": "string" }));
            }
            let (name, value) = terraform_argument(resource.kind, name, value, resources);
            if value.as_str().is_some_and(|text| text.contains(TERRAFORM_REGION)) {
                variables.insert("region".to_owned(), json!({ "type": "string" }));
            }
            arguments.insert(name, value);
        }
        let id = snake_case(&resource.id);
        written.entry(resource.kind.terraform()).or_default().insert(id, Value::Object(arguments));
    }
    let mut document = Map::new();
    document.insert("resource".to_owned(), json!(written));
    if !variables.is_empty() {
        document.insert("variable".to_owned(), Value::Object(variables));
    }
    Value::Object(document)
}

/// Returns an argument of a resource of the AWS provider. Its names are CloudFormation's in snake case, with
/// exceptions.
fn terraform_argument(kind: ResourceKind, name: &str, value: &Value, resources: &[Resource]) -> (String, Value) {
    match (kind, name, value) {
        (ResourceKind::Alarm, "Dimensions", Value::Array(dimensions)) => {
            let pair = |one: &Value| {
                let name = one.get("Name")?.as_str()?.to_owned();
                Some((name, terraform_value(one.get("Value")?, resources)))
            };
            ("dimensions".to_owned(), Value::Object(dimensions.iter().filter_map(pair).collect()))
        }
        (ResourceKind::ScalingPolicy, "PolicyName", _) => ("name".to_owned(), terraform_value(value, resources)),
        (_, "StepAdjustments", _) => ("step_adjustment".to_owned(), terraform_value(value, resources)),
        _ => (snake_case(name), terraform_value(value, resources)),
    }
}

fn terraform_value(value: &Value, resources: &[Resource]) -> Value {
    match value {
        Value::String(text) => json!(escaped(text)),
        Value::Array(items) => items.iter().map(|item| terraform_value(item, resources)).collect(),
        Value::Object(members) => {
            if let Some(id) = members.get("Ref").and_then(Value::as_str) {
                return json!(format!("${{{}}}", terraform_reference(id, resources)));
            }
            if let Some([_, Value::Array(parts)]) = members.get("Fn::Join").and_then(Value::as_array).map(Vec::as_slice)
            {
                let text = |part: &Value| terraform_value(part, resources).as_str().unwrap_or_default().to_owned();
                return json!(parts.iter().map(text).collect::<String>());
            }
            let argument = |(name, value): (&String, &Value)| {
                terraform_argument(ResourceKind::ScalingPolicy, name, value, resources)
            };
            Value::Object(members.iter().map(argument).collect())
        }
        _ => value.clone(),
    }
}

/// Returns the expression for a resource or variable. Scaling policies are referred to by ARN, and targets by their
/// resource ID.
fn terraform_reference(id: &str, resources: &[Resource]) -> String {
    let name = snake_case(id);
    match resources.iter().find(|resource| resource.id == id) {
        Some(resource) if resource.kind == ResourceKind::ScalingPolicy => {
            format!("{}.{name}.arn", resource.kind.terraform())
        }
        Some(resource) if resource.kind == ResourceKind::ScalableTarget => {
            format!("{}.{name}.resource_id", resource.kind.terraform())
        }
        Some(resource) => format!("{}.{name}.id", resource.kind.terraform()),
        None => format!("var.{name}"),
    }
}

/// Escapes what Terraform would read as a template.
fn escaped(text: &str) -> String {
    let escaped = text.replace("${", "$${").replace("%{", "%%{");
    escaped.replace("$${var.region}", TERRAFORM_REGION)
}

/// Returns the names that a value refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(members) => match members.get("Ref").and_then(Value::as_str) {
            Some(id) => vec![id.to_owned()],
            None => members.values().flat_map(references).collect(),
        },
        _ => Vec::new(),
    }
}

/// Returns a name in snake case: `AlarmName` becomes `alarm_name`, and `RoleARN` becomes `role_arn`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len());
    let mut previous: Option<char> = None;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let starts_word = character.is_ascii_uppercase()
            && previous.is_some_and(|previous| {
                !previous.is_ascii_uppercase() || characters.peek().is_some_and(char::is_ascii_lowercase)
            });
        if starts_word {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
        previous = Some(character);
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (name, expected) in [
            ("AlarmName", "alarm_name"),
            ("RoleARN", "role_arn"),
            ("ARNList", "arn_list"),
            ("CpuHigh1", "cpu_high1"),
            ("Unit", "unit"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
    }

    #[test]
    fn templates_escape_what_is_not_theirs() {
        let dashboard = |region: &str| {
            let body = json!({ "region": region, "title": "${x} %{y}" });
            Resource::dashboard("d", &body).unwrap()
        };
        let document = document(Format::Cloudformation, &[dashboard(CLOUDFORMATION_REGION)]);
        let body = &document["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
        assert_eq!(body, r#"{"region":"${AWS::Region}","title":"${!x} %{y}"}"#);
        let document = super::document(Format::Cloudformation, &[dashboard("eu-west-1")]);
        let body = &document["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
        assert_eq!(body, r#"{"region":"eu-west-1","title":"${x} %{y}"}"#);
        let document = super::document(Format::Terraform, &[dashboard(TERRAFORM_REGION)]);
        let body = &document["resource"]["aws_cloudwatch_dashboard"]["dashboard"]["dashboard_body"];
        assert_eq!(body, r#"{"region":"${var.region}","title":"$${x} %%{y}"}"#);
        assert_eq!(document["variable"], json!({ "region": { "type": "string" } }));
    }
}

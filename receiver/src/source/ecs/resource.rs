//! The resource attributes of an ECS task, by OpenTelemetry's semantic conventions.

use serde_json::Value;

/// The longest value in bytes. An ARN of ECS has at most 2,048.
const MAX_LENGTH: usize = 2_048;

/// Returns the resource attributes in the metadata of a task, by name. Values that are missing or invalid are left out.
pub(super) fn resource_attributes(document: &Value) -> Vec<(&'static str, String)> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| is_value(text));
    let mut attributes = vec![("cloud.provider", "aws".to_owned()), ("cloud.platform", "aws_ecs".to_owned())];
    let task = text("TaskARN").and_then(|arn| Some((arn, Arn::read(arn)?)));
    if let Some((arn, Arn { region, account, .. })) = task {
        attributes.push(("cloud.region", region.to_owned()));
        attributes.push(("cloud.account.id", account.to_owned()));
        attributes.push(("aws.ecs.task.arn", arn.to_owned()));
    }
    // Fargate reports the ARN of the cluster, and EC2 its name.
    let cluster = text("Cluster").and_then(|cluster| {
        if cluster.starts_with("arn:") {
            return Arn::read(cluster).map(|_| cluster.to_owned());
        }
        let (_, Arn { partition, region, account }) = task?;
        Some(format!("arn:{partition}:ecs:{region}:{account}:cluster/{cluster}"))
    });
    attributes.extend(cluster.map(|arn| ("aws.ecs.cluster.arn", arn)));
    attributes.extend(text("Family").map(|family| ("aws.ecs.task.family", family.to_owned())));
    attributes
}

/// The parts of an ARN of ECS, `arn:PARTITION:ecs:REGION:ACCOUNT:RESOURCE`.
#[derive(Clone, Copy, Debug)]
struct Arn<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
}

impl<'a> Arn<'a> {
    fn read(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (prefix, partition, service) = (next()?, next()?, next()?);
        let (region, account, _) = (next()?, next()?, next()?);
        (prefix == "arn" && service == "ecs").then_some(Self { partition, region, account })
    }
}

fn is_value(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TASK: &str = "arn:aws-cn:ecs:cn-north-1:123456789012:task/shop/8a2d";

    #[test]
    fn the_name_of_a_cluster_becomes_an_arn() {
        let of = |cluster: &str| {
            let attributes = resource_attributes(&json!({ "Cluster": cluster, "TaskARN": TASK }));
            attributes.into_iter().find(|(name, _)| *name == "aws.ecs.cluster.arn").map(|(_, arn)| arn)
        };
        let arn = "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/shop";
        assert_eq!((of("shop").as_deref(), of(arn).as_deref()), (Some(arn), Some(arn)));
        assert_eq!((of(""), of("arn:aws:ecs:x"), of("a\nb")), (None, None, None));
    }

    #[test]
    fn what_is_missing_or_invalid_is_left_out() {
        for task in ["", "8a2d", "arn:aws:ecs::123456789012:task/x", "arn:aws:s3:eu-west-1:1:task/x", "arn:aws:ecs:a:b"]
        {
            let document = json!({ "Cluster": "shop", "TaskARN": task, "Family": 7 });
            let names: Vec<_> = resource_attributes(&document).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["cloud.provider", "cloud.platform"], "{task}");
        }
        let long = json!({ "Family": "x".repeat(MAX_LENGTH + 1) });
        assert_eq!(resource_attributes(&long).len(), 2);
    }
}

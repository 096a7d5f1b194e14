//! Resource attributes from the recorded metadata of ECS tasks.

use std::{collections::BTreeMap, fs, path::Path};

use acpw_metric::Unit;
use serde_json::Value;

use super::world::World;

/// The recorded `/task`, and the ARN of its cluster.
const RECORDINGS: [(&str, &str); 4] = [
    ("ec2-cgroup-v1", "arn:aws:ecs:eu-central-1:123456789012:cluster/shop"),
    ("ec2-cgroup-v2", "arn:aws:ecs:eu-central-1:123456789012:cluster/shop"),
    ("fargate-cgroup-v1", "arn:aws:ecs:eu-central-1:123456789012:cluster/shop-fargate"),
    ("fargate-cgroup-v2", "arn:aws:ecs:eu-central-1:123456789012:cluster/shop-fargate"),
];

fn task(recording: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ecs_task/{recording}/task.json"));
    fs::read_to_string(path).unwrap()
}

fn world(otlp: &str, environment: &'static [(&str, &str)]) -> World {
    World::with_environment(
        &format!(
            r#"{{"cloud_watch_region": "us-east-1", "publish_to": ["otlp"], "ecs_task": {{
                "cluster_name": "ecs", "metadata_uri": "http://169.254.170.2/v4/0123", "publish_to": ["otlp"]}},
                "otlp": {{"cluster_name": "otlp", "host": "collector:4318", "signing": "none" {otlp}}}}}"#
        ),
        environment,
    )
}

/// Publishes a request, and returns the resource of its data point.
fn publish(world: &mut World) -> BTreeMap<String, String> {
    world.observe("RequestCount", Unit::COUNT, "/a", &[1.0]);
    world.run(130_000);
    world.points("RequestCount").last().unwrap().resource.clone()
}

#[test]
fn the_attributes_are_those_of_the_task() {
    for (recording, cluster) in RECORDINGS {
        let mut world = world("", &[]);
        let document = task(recording);
        let task: Value = serde_json::from_str(&document).unwrap();
        world.sources.insert("/v4/0123/task".to_owned(), document);
        let resource = publish(&mut world);
        let region = cluster.split(':').nth(3).unwrap();
        for (name, value) in [
            ("cloud.provider", "aws"),
            ("cloud.platform", "aws_ecs"),
            ("cloud.region", region),
            ("cloud.account.id", "123456789012"),
            ("aws.ecs.cluster.arn", cluster),
            ("aws.ecs.task.arn", task["TaskARN"].as_str().unwrap()),
            ("aws.ecs.task.family", task["Family"].as_str().unwrap()),
            ("service.name", "unknown_service:envoy"),
        ] {
            assert_eq!(resource[name], value, "{recording} {name}");
        }
    }
}

#[test]
fn the_configuration_and_the_environment_replace_the_metadata() {
    let mut world = world(
        r#", "resource_attributes": {"cloud.region": "configured", "cloud.account.id": "configured"}"#,
        &[("OTEL_RESOURCE_ATTRIBUTES", "cloud.account.id=environment,cloud.platform=environment")],
    );
    world.sources.insert("/v4/0123/task".to_owned(), task("fargate-cgroup-v2"));
    let resource = publish(&mut world);
    let names = ["cloud.region", "cloud.account.id", "cloud.platform", "aws.ecs.task.family"];
    assert_eq!(names.map(|name| resource[name].as_str()), ["configured", "configured", "environment", "checkout"]);
}

#[test]
fn without_metadata_there_are_no_such_attributes_and_totals_restart_when_it_arrives() {
    let mut world = world(r#", "temporality": "cumulative""#, &[]);
    let resource = publish(&mut world);
    assert!(!resource.keys().any(|name| name.starts_with("aws.") || name == "cloud.platform"), "{resource:?}");
    assert_eq!(resource["cloud.region"], "us-east-1");
    world.sources.insert("/v4/0123/task".to_owned(), task("ec2-cgroup-v1"));
    world.run(10_000);
    for expected in [1.0, 2.0] {
        assert_eq!(publish(&mut world)["cloud.platform"], "aws_ecs");
        assert_eq!(world.points("RequestCount").last().unwrap().sum, expected);
    }
}

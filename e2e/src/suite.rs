//! The tests that run on every supported version of Envoy.

use crate::{
    EnvoyVersion,
    feature::{FILE_SERVER, Feature, NATIVE, NATIVE_BY_CEL, PAIR},
};

/// Tests in one file that need the same feature.
#[derive(Debug)]
pub struct Group {
    /// The file in `e2e/tests`, without `.rs`.
    pub file: &'static str,
    /// The names of the tests.
    pub tests: &'static [&'static str],
    /// The feature that Envoy must have.
    pub needs: &'static Feature,
    /// True if CI runs the tests on each pull request.
    pub is_smoke: bool,
}

const fn group(file: &'static str, needs: &'static Feature, tests: &'static [&'static str]) -> Group {
    Group { file, tests, needs, is_smoke: false }
}

const fn smoke(file: &'static str, needs: &'static Feature, tests: &'static [&'static str]) -> Group {
    Group { file, tests, needs, is_smoke: true }
}

/// The core tests: all extension points, metrics and credential providers, outages of CloudWatch, changes of listeners,
/// shutdown, AWS's own clients, native mode, and the deployments whose product chooses the version of Envoy.
pub const CORE: &[Group] = &[
    smoke("examples", &PAIR, &["every_example_is_valid_since_its_first_version"]),
    smoke("release", &PAIR, &["each_module_logs_its_version_and_commit"]),
    smoke(
        "attachments",
        &PAIR,
        &["a_filter_and_a_stats_sink_publish_exact_counts", "an_access_logger_and_a_singleton_publish_exact_counts"],
    ),
    group(
        "attachments",
        &PAIR,
        &["a_filter_and_a_singleton_publish_exact_counts", "an_access_logger_and_a_stats_sink_publish_exact_counts"],
    ),
    group(
        "metrics",
        &PAIR,
        &[
            "every_metric_is_exact_in_a_filter",
            "every_metric_is_exact_in_an_access_logger",
            "requests_in_progress_are_summed_over_all_workers",
        ],
    ),
    group("outages", &PAIR, &["an_outage_of_cloudwatch_loses_nothing"]),
    group(
        "updates",
        &PAIR,
        &["a_removed_filter_hands_over_its_counts", "a_removed_access_logger_hands_over_its_counts"],
    ),
    group("shutdown", &PAIR, &["envoy_exits_cleanly_under_load_with_a_call_in_flight"]),
    group("gateway", &PAIR, &["accepted_posts_are_published_and_rejected_posts_are_not"]),
    smoke("gateway_entrypoint", &PAIR, &["held_data_is_published_before_envoy_exits"]),
    group("gateway_clients", &PAIR, &["clients_store_the_same_data_through_the_gateway_as_directly"]),
    group(
        "credentials",
        &PAIR,
        &[
            "the_ecs_task_role_rotates_under_load",
            "the_ec2_instance_role_rotates_under_load_and_provides_the_region",
            "an_assumed_role_rotates_under_load",
            "keys_in_the_standard_aws_variables_are_used",
            "envoys_own_signature_is_accepted",
            "eks_pod_identity_and_its_token_rotate_under_load_through_lua",
            "a_shared_credentials_file_is_read_again_after_its_keys_expire_through_lua",
        ],
    ),
    smoke("credentials", &PAIR, &["an_eks_service_account_and_its_token_rotate_under_load_through_lua"]),
    group(
        "credentials",
        &FILE_SERVER,
        &[
            "an_eks_service_account_and_its_token_rotate_under_load",
            "eks_pod_identity_and_its_token_rotate_under_load",
            "a_shared_credentials_file_is_read_again_after_its_keys_expire",
        ],
    ),
    smoke("deployments", &PAIR, &["istio_with_the_sender_as_filter"]),
    group(
        "deployments",
        &PAIR,
        &[
            "istio_with_the_sender_as_access_logger",
            "envoy_gateway_with_the_sender_as_filter",
            "envoy_gateway_with_the_sender_as_access_logger",
        ],
    ),
    group("native", &PAIR, &["groups_publish_envoys_built_in_stats"]),
    group("native", &NATIVE_BY_CEL, &["native_mode_with_cel_publishes_the_same_metrics_as_the_sender"]),
    group("native", &NATIVE, &["native_mode_publishes_the_same_metrics_as_the_sender"]),
];

/// Returns the groups whose features a version has; with `is_smoke`, only the smoke tests.
pub fn groups(version: EnvoyVersion, is_smoke: bool) -> impl Iterator<Item = &'static Group> {
    CORE.iter().filter(move |group| group.needs.is_in(version) && (group.is_smoke || !is_smoke))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::installation;

    #[test]
    fn every_listed_test_exists() {
        for group in CORE {
            let path = installation::root().join(format!("e2e/tests/{}.rs", group.file));
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for test in group.tests {
                assert!(text.contains(&format!("fn {test}() {{")), "{} has no test {test}", path.display());
            }
        }
    }
}

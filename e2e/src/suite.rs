//! The tests that are run on every version of Envoy.

use crate::{
    EnvoyVersion,
    feature::{FILE_SERVER, Feature, NATIVE, NATIVE_BY_CEL, PAIR},
};

/// Tests of one file that need the same feature.
#[derive(Debug)]
pub struct Group {
    /// The file in `e2e/tests`, without `.rs`.
    pub file: &'static str,
    /// The names of the tests.
    pub tests: &'static [&'static str],
    /// What Envoy must have.
    pub needs: &'static Feature,
    /// Whether the tests are in the short form too, which CI runs on each submission.
    pub is_smoke: bool,
}

const fn group(file: &'static str, needs: &'static Feature, tests: &'static [&'static str]) -> Group {
    Group { file, tests, needs, is_smoke: false }
}

const fn smoke(file: &'static str, needs: &'static Feature, tests: &'static [&'static str]) -> Group {
    Group { file, tests, needs, is_smoke: true }
}

/// The core of the tests: each way to attach the modules, each metric, each source of credentials, what happens when
/// CloudWatch, the listeners or Envoy itself go, a client of AWS, native mode, and the deployments that have an Envoy of the
/// product's choice.
pub const CORE: &[Group] = &[
    smoke("examples", &PAIR, &["every_example_is_valid_from_its_first_version_on"]),
    smoke("release", &PAIR, &["each_module_logs_its_version_and_commit"]),
    smoke("attachments", &PAIR, &["a_filter_and_a_stats_sink_count", "an_access_logger_and_a_singleton_count"]),
    group("attachments", &PAIR, &["a_filter_and_a_singleton_count", "an_access_logger_and_a_stats_sink_count"]),
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
        &["a_filter_that_goes_hands_over_what_it_counted", "an_access_logger_that_goes_hands_over_what_it_counted"],
    ),
    group("shutdown", &PAIR, &["under_load_with_a_call_in_flight"]),
    group("gateway", &PAIR, &["posts_are_published_and_what_is_refused_leaves_nothing"]),
    smoke("gateway_entrypoint", &PAIR, &["what_is_held_is_published_before_envoy_ends"]),
    group("gateway_clients", &PAIR, &["every_client_and_protocol_has_the_same_effect_as_without_the_gateway"]),
    group(
        "credentials",
        &PAIR,
        &[
            "the_task_role_of_ecs_rotates_under_load",
            "the_role_of_an_ec2_instance_rotates_under_load_and_tells_the_region",
            "an_assumed_role_rotates_under_load",
            "keys_in_aws_own_variables_are_used",
            "envoys_own_signature_is_accepted",
            "eks_pod_identity_rotates_under_load_with_its_token_by_lua",
            "a_shared_credentials_file_is_read_again_when_its_keys_have_expired_by_lua",
        ],
    ),
    smoke("credentials", &PAIR, &["an_eks_service_account_rotates_under_load_with_its_token_by_lua"]),
    group(
        "credentials",
        &FILE_SERVER,
        &[
            "an_eks_service_account_rotates_under_load_with_its_token",
            "eks_pod_identity_rotates_under_load_with_its_token",
            "a_shared_credentials_file_is_read_again_when_its_keys_have_expired",
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
    group("native", &PAIR, &["what_envoy_keeps_anyway_is_told_by_groups"]),
    group("native", &NATIVE_BY_CEL, &["native_mode_by_expressions_tells_what_the_sender_tells"]),
    group("native", &NATIVE, &["native_mode_tells_what_the_sender_tells"]),
];

/// Returns the groups that a version has everything for; with `is_smoke`, those of the short form only.
pub fn groups(version: EnvoyVersion, is_smoke: bool) -> impl Iterator<Item = &'static Group> {
    CORE.iter().filter(move |group| group.needs.is_in(version) && (group.is_smoke || !is_smoke))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::installation;

    #[test]
    fn every_test_is_there() {
        for group in CORE {
            let path = installation::root().join(format!("e2e/tests/{}.rs", group.file));
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for test in group.tests {
                assert!(text.contains(&format!("fn {test}() {{")), "{} has no test {test}", path.display());
            }
        }
    }
}

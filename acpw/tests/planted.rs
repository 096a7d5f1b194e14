//! `acpw check` finds mistakes that are made by small edits to examples, and none in the examples themselves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod support;

use acpw::{
    check::{self, finding::RULES},
    environment::Environment,
    inventory::Inventory,
    source_file::SourceFile,
};

use crate::support::{examples, root, within_repository};

/// A mistake in an example.
struct Mistake {
    /// The name of the snapshot.
    name: &'static str,
    /// The example, and others that it needs.
    files: &'static [&'static str],
    /// The text of the first file that is replaced, and its replacement.
    edit: (&'static str, &'static str),
    /// The version of Envoy.
    envoy: Option<&'static str>,
    /// The rule that it breaks.
    rule: &'static str,
    /// The text of the file at which the finding points.
    at: &'static str,
}

const fn mistake(
    name: &'static str,
    file: &'static [&'static str],
    edit: (&'static str, &'static str),
    rule: &'static str,
    at: &'static str,
) -> Mistake {
    Mistake { name, files: file, edit, envoy: None, rule, at }
}

const DEMO: &[&str] = &["envoy/demo.yaml"];
const ACCESS_LOGGER: &[&str] = &["envoy/access-logger.yaml"];
const GATEWAY: &[&str] = &["envoy/gateway.yaml"];
const ECS: &[&str] = &["envoy/ecs.yaml"];
const IRSA: &[&str] = &["envoy/eks-irsa.yaml"];
const LUA: &[&str] = &["envoy/lua-files.yaml"];
const SIGNING: &[&str] = &["envoy/envoy-signing.yaml"];
const ISTIO: &[&str] = &["deploy/istio/bootstrap.yaml"];
const ISTIO_SENDER: &[&str] = &["deploy/istio/sender.yaml", "deploy/istio/bootstrap.yaml"];
const ENVOY_GATEWAY: &[&str] = &["deploy/envoy-gateway/sender.yaml", "deploy/envoy-gateway/proxy.yaml"];
const KUBERNETES: &[&str] = &["deploy/kubernetes/base/gateway/envoy.yaml"];
const CLOUD_FORMATION: &[&str] = &["deploy/ecs/cloudformation.yaml"];

const MISTAKES: &[Mistake] = &[
    mistake(
        "misspelt_key_of_envoy",
        DEMO,
        (
            "                vm_config:\n                  vm_id: sender\n",
            "                vm_config:\n                  vmid: sender\n",
        ),
        "unknown-field",
        "vmid",
    ),
    mistake("misspelt_key", DEMO, ("\"match_hosts\"", "\"match_host\""), "invalid-configuration", "\"match_host\""),
    mistake("trailing_comma", DEMO, ("[\"example.com\"]", "[\"example.com\"],"), "invalid-configuration", "}"),
    mistake("not_a_region", DEMO, ("\"us-east-1\"", "\"us-east\""), "invalid-configuration", "\"us-east\""),
    mistake(
        "interval_out_of_range",
        DEMO,
        ("millisecond\": 1000", "millisecond\": 100"),
        "invalid-configuration",
        "100",
    ),
    mistake(
        "invalid_namespace_in_a_config_map",
        ISTIO,
        ("\"Envoy/Requests\"", "\"\""),
        "invalid-configuration",
        "\"\"",
    ),
    mistake(
        "invalid_inline_configuration",
        ISTIO_SENDER,
        ("match_hosts: [\"example.com\"]", "match_hosts: example.com"),
        "invalid-configuration",
        "example.com",
    ),
    mistake(
        "invalid_key_in_a_template",
        CLOUD_FORMATION,
        ("\"publish_interval_millisecond\": 10000", "\"publish_interval\": 10000"),
        "invalid-configuration",
        "\"publish_interval\"",
    ),
    mistake(
        "host_listed_twice",
        DEMO,
        ("[\"example.com\"]", "[\"example.com\", \"example.com\"]"),
        "no-effect",
        "\"example.com\"",
    ),
    mistake("sender_names_no_receiver", DEMO, ("\"receiver\",", "\"recevier\","), "unknown-receiver", "\"recevier\""),
    mistake(
        "receiver_without_vm_id",
        ACCESS_LOGGER,
        ("        vm_id: receiver\n", ""),
        "unknown-receiver",
        "\"receiver\"",
    ),
    mistake(
        "cluster_not_defined",
        DEMO,
        ("cluster_name\": \"cloud_watch\"", "cluster_name\": \"cloudwatch\""),
        "unknown-cluster",
        "\"cloudwatch\"",
    ),
    mistake(
        "cluster_of_a_source_not_defined",
        ECS,
        ("{ \"cluster_name\": \"ecs_agent\" }", "{ \"cluster_name\": \"ecs\" }"),
        "unknown-cluster",
        "\"ecs\"",
    ),
    mistake("sender_fails_requests", DEMO, ("FAIL_OPEN", "FAIL_CLOSED"), "requests-fail", "FAIL_CLOSED"),
    mistake(
        "wasm_plugin_fails_requests",
        ISTIO_SENDER,
        ("  failStrategy: FAIL_OPEN\n", ""),
        "requests-fail",
        "acpw-sender",
    ),
    mistake(
        "extension_policy_fails_requests",
        ENVOY_GATEWAY,
        ("failOpen: true", "failOpen: false"),
        "requests-fail",
        "false",
    ),
    mistake(
        "access_logger_is_not_restarted",
        ACCESS_LOGGER,
        ("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN"),
        "not-restarted",
        "FAIL_OPEN",
    ),
    mistake(
        "posts_hang",
        DEMO,
        ("allow_on_headers_stop_iteration: true", "allow_on_headers_stop_iteration: false"),
        "posts-hang",
        "gateway",
    ),
    mistake("gateway_in_another_vm", GATEWAY, ("vm_id: receiver", "vm_id: gateway"), "gateway-vm-id", "gateway"),
    mistake(
        "gateway_for_everyone",
        GATEWAY,
        ("address: 127.0.0.1, port_value: 3000", "address: 0.0.0.0, port_value: 3000"),
        "open-gateway",
        "{ socket_address: { address: 0.0.0.0, port_value: 3000 } }",
    ),
    mistake(
        "gateway_without_its_token",
        KUBERNETES,
        ("host_env_keys: [ACPW_GATEWAY_BEARER_TOKEN]", "host_env_keys: []"),
        "open-gateway",
        "{ socket_address: { address: 0.0.0.0, port_value: 3000 } }",
    ),
    mistake(
        "receiver_on_every_worker",
        ACCESS_LOGGER,
        ("singleton: true", "singleton: false"),
        "not-a-singleton",
        "receiver",
    ),
    mistake(
        "sender_as_a_network_filter",
        DEMO,
        ("filters.http.wasm.v3.Wasm", "filters.network.wasm.v3.Wasm"),
        "misplaced-module",
        "sender",
    ),
    mistake(
        "no_tls",
        GATEWAY,
        ("    transport_socket:\n", "    metadata:\n"),
        "no-tls",
        "monitoring.us-east-1.amazonaws.com",
    ),
    mistake(
        "no_sni",
        GATEWAY,
        ("        auto_host_sni: true\n", ""),
        "wrong-sni",
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    ),
    mistake(
        "sni_of_another_host",
        GATEWAY,
        ("auto_host_sni: true", "sni: monitoring.us-west-2.amazonaws.com"),
        "wrong-sni",
        "monitoring.us-west-2.amazonaws.com",
    ),
    mistake(
        "certificate_of_any_host",
        GATEWAY,
        ("        auto_sni_san_validation: true\n", ""),
        "unverified-certificate",
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    ),
    mistake(
        "any_certificate",
        GATEWAY,
        ("validation_context: { trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt } }", "{}"),
        "unverified-certificate",
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    ),
    mistake(
        "cluster_in_another_region",
        GATEWAY,
        ("monitoring.us-east-1", "monitoring.eu-west-1"),
        "other-region",
        "monitoring.eu-west-1.amazonaws.com",
    ),
    mistake(
        "sts_in_another_region",
        LUA,
        ("address: sts.us-east-1", "address: sts.eu-west-1"),
        "other-region",
        "sts.eu-west-1.amazonaws.com",
    ),
    mistake(
        "envoy_signs_for_another_region",
        SIGNING,
        ("region: us-east-1", "region: eu-west-1"),
        "other-region",
        "eu-west-1",
    ),
    mistake(
        "nobody_signs",
        SIGNING,
        ("aws_request_signing.v3.AwsRequestSigning", "header_to_metadata.v3.Config"),
        "unsigned",
        "{ \"provider\": \"envoy\" }",
    ),
    mistake(
        "files_on_a_tcp_port",
        IRSA,
        (
            "{ pipe: { path: /run/envoy/files.sock, mode: 0600 } }",
            "{ socket_address: { address: 127.0.0.1, port_value: 8003 } }",
        ),
        "open-files",
        "{ socket_address: { address: 127.0.0.1, port_value: 8003 } }",
    ),
    mistake(
        "files_for_every_user",
        LUA,
        (", mode: 0600", ""),
        "open-files",
        "{ pipe: { path: /run/envoy/files.sock } }",
    ),
    mistake(
        "admin_interface_for_everyone",
        DEMO,
        ("address: 127.0.0.1, port_value: 8001", "address: \"::\", port_value: 8001"),
        "open-admin",
        "{ socket_address: { address: \"::\", port_value: 8001 } }",
    ),
    mistake(
        "variable_of_temporary_keys_not_passed",
        GATEWAY,
        (", ACPW_AWS_SESSION_TOKEN]", "]"),
        "variable-not-passed",
        "receiver",
    ),
    mistake(
        "variable_of_a_provider_not_passed",
        LUA,
        ("          - AWS_ROLE_ARN\n", ""),
        "variable-not-passed",
        "{ \"provider\": \"web_identity\", \"cluster\": \"sts\", \"file_cluster\": \"files\" }",
    ),
    mistake(
        "variable_of_the_only_provider_not_passed",
        ECS,
        ("[AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, ", "["),
        "invalid-configuration",
        "\"credentials\"",
    ),
    mistake(
        "variable_of_a_dimension_not_passed",
        &["envoy/imgproxy.yaml"],
        ("          - IMGPROXY_CLOUD_WATCH_SERVICE_NAME\n", ""),
        "variable-not-passed",
        "\"IMGPROXY_CLOUD_WATCH_SERVICE_NAME\"",
    ),
    Mistake {
        name: "file_server_before_1_38",
        files: IRSA,
        edit: ("", ""),
        envoy: Some("1.37"),
        rule: "newer-envoy",
        at: "type.googleapis.com/envoy.extensions.filters.http.file_server.v3.FileServerConfig",
    },
    Mistake {
        name: "gateway_before_1_35",
        files: DEMO,
        edit: ("", ""),
        envoy: Some("1.34"),
        rule: "newer-envoy",
        at: "true",
    },
];

fn file(path: &str, edit: (&str, &str)) -> SourceFile {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let (from, to) = edit;
    assert!(text.contains(from), "{path} has no {from:?}");
    SourceFile::parse(path.as_ref(), &text.replacen(from, to, 1)).unwrap()
}

#[test]
fn each_mistake_is_found_once_where_it_is() {
    let mut wrong = String::new();
    for Mistake { name, files, edit, envoy, rule, at } in MISTAKES {
        let (first, others) = files.split_first().unwrap();
        let edited = std::iter::once(file(first, *edit)).chain(others.iter().map(|path| file(path, ("", ""))));
        let inventory = Inventory::of_files(edited.collect()).unwrap();
        let envoy = envoy.map(|version| version.parse().unwrap());
        let findings = check::findings(&inventory, &Environment::default(), envoy);
        let rendered = check::render(&inventory, &findings, false);
        let ids: Vec<&str> = findings.iter().map(|finding| finding.rule.id).collect();
        let position =
            findings.first().map(|finding| &inventory.files[finding.file].text.as_str()[finding.span.clone()]);
        if ids != [*rule] || position != Some(at) {
            wrong.push_str(&format!("{name}: expected {rule} at {at}, found {ids:?} at {position:?}\n{rendered}\n"));
            continue;
        }
        insta::assert_snapshot!(*name, rendered);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn almost_every_rule_has_a_mistake() {
    // These need a file of their own; tests/broken has them.
    let elsewhere = ["no-receiver-given", "two-receivers", "counted-twice"];
    for rule in RULES {
        let is_planted = MISTAKES.iter().any(|mistake| mistake.rule == rule.id);
        assert_eq!(is_planted, !elsewhere.contains(&rule.id), "{}", rule.id);
    }
}

#[test]
fn there_is_nothing_to_find_in_the_examples() {
    let files = examples().into_iter().map(|path| file(&path, ("", ""))).collect();
    let inventory = Inventory::of_files(files).unwrap();
    let findings = check::findings(&inventory, &Environment::default(), None);
    assert!(findings.is_empty(), "{}", check::render(&inventory, &findings, false));
    assert!(inventory.plugins.len() > 50, "{}", inventory.plugins.len());
}

#[test]
fn the_documents_of_all_rules_have_their_sections() {
    for rule in RULES {
        let (path, anchor) = rule.document.split_once('#').unwrap();
        let text = within_repository(path);
        let is_heading = |line: &&str| line.starts_with('#');
        let anchors = text.lines().filter(is_heading).map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
            kept.collect::<String>().replace(' ', "-")
        });
        assert!(anchors.into_iter().any(|known| known == anchor), "{}: {}", rule.id, rule.document);
    }
}

#[test]
fn no_edit_of_an_example_ends_the_program() {
    // A line that is missing, doubled, or cut in half, and a quote that is missing. A panic fails the test.
    let mut reports = 0;
    for (number, path) in examples().iter().enumerate() {
        let text = within_repository(path);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for (index, line) in lines.iter().enumerate().skip(number % 17).step_by(17) {
            let half = line.split_at(line.len() / 2).0;
            for replacement in ["", &line.repeat(2), half, &line.replacen('"', "", 1), &line.replace(": ", ": \u{e9}")]
            {
                let edited = [&lines[..index], &[replacement], &lines[index + 1..]].concat().concat();
                let Ok(file) = SourceFile::parse(path.as_ref(), &edited) else { continue };
                let Ok(inventory) = Inventory::of_files(vec![file]) else { continue };
                let findings = check::findings(&inventory, &Environment::default(), "1.30".parse().ok());
                reports += usize::from(!check::render(&inventory, &findings, false).is_empty());
            }
        }
    }
    assert!(reports > 300, "{reports}");
}

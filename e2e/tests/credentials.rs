//! Credential providers in a real Envoy: credentials that expire after seconds are replaced under load without losses.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use e2e::{
    Bootstrap, ClientRequest, Envoy, FileReader, Pair, Plugin, ReceiverAttachment, ServedFile, Setup, counts,
    eventually, load, series,
};
use local_cloudwatch::{AccessKey, CredentialEndpoint, LocalCloudWatch, SECRET_MARK, ServerOptions};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(40);

/// The lifetime of credentials. They are replaced after half of it.
const LIFETIME: Duration = Duration::from_secs(4);

/// Starts a CloudWatch that accepts only the keys that it issues, and `first`.
async fn cloudwatch(first: Vec<AccessKey>) -> LocalCloudWatch {
    let options = ServerOptions { keys: first, ..ServerOptions::default() };
    let cloudwatch = LocalCloudWatch::start(options).await.unwrap();
    cloudwatch.set_lifetime(LIFETIME);
    cloudwatch
}

/// Returns a setup without the default keys. The cluster `near` leads to the local CloudWatch.
fn setup(cloudwatch: LocalCloudWatch, credentials: Value) -> Setup {
    let address = cloudwatch.address();
    Setup {
        receiver: json!({ "aws_access_key_id": null, "aws_secret_access_key": null, "credentials": credentials }),
        clusters: vec![("near", address)],
        cloudwatch: Some(cloudwatch),
        ..Setup::default()
    }
}

/// Sends requests until data signed with four sets of credentials is stored. Returns the number of requests. Calls
/// `on_rotation` whenever a new set is used.
async fn under_load(pair: &Pair, mut on_rotation: impl FnMut(usize)) -> u64 {
    let mut sent = 0;
    let mut seen = 0;
    eventually("four sets were used", LIMIT, async || {
        let requests = (0..20).map(|_| ClientRequest::get("example.com", "/")).collect();
        sent += load(pair.address(), 4, requests).await.len() as u64;
        let sets = sets(pair).len();
        if sets > seen {
            seen = sets;
            on_rotation(sets);
        }
        if sets >= 4 { Ok(()) } else { Err(format!("{sets} sets\n{}", pair.envoy.log())) }
    })
    .await;
    sent
}

/// Returns the access keys with which data was stored.
fn sets(pair: &Pair) -> BTreeSet<String> {
    let stored = pair.cloudwatch.calls().into_iter().filter(|call| call.is_stored);
    stored.map(|call| call.access_key_id).collect()
}

/// Asserts that all requests are stored, no call failed, all used credentials were issued, and no secret leaked.
async fn assert_nothing_is_lost(mut pair: Pair, sent: u64, endpoint: CredentialEndpoint) {
    assert_eq!(pair.wait_until_stored(sent).await, counts((0..sent).map(|_| series("example.com", "GET", "/", 200))));
    assert_eq!(pair.cloudwatch.calls().iter().find(|call| !call.is_stored), None);
    let issued: BTreeSet<_> = pair
        .cloudwatch
        .credential_calls()
        .into_iter()
        .filter(|call| call.endpoint == endpoint && call.status == 200)
        .map(|call| call.access_key_id)
        .collect();
    assert!(sets(&pair).is_subset(&issued), "{:?} {issued:?}", sets(&pair));
    let stats = pair.envoy.admin().module_stats().await;
    assert!(stats["receiver.credentials.refreshed"] >= 4 && stats["receiver.credentials.failed"] == 0, "{stats:#?}");
    let (_, page) = pair.envoy.admin().page("/stats?format=json").await.unwrap();
    assert!(!page.contains(SECRET_MARK) && !pair.envoy.log().contains(SECRET_MARK));
    assert!(pair.envoy.log().contains("acpw receiver: loaded credentials from "), "{}", pair.envoy.log());
}

async fn rotates(setup: Setup, endpoint: CredentialEndpoint) {
    let pair = Pair::start(setup).await;
    let sent = under_load(&pair, |_| ()).await;
    assert_nothing_is_lost(pair, sent, endpoint).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ecs_task_role_rotates_under_load() {
    let mut setup = setup(cloudwatch(Vec::new()).await, json!({ "provider": "container", "cluster": "near" }));
    setup.environment = vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/task".to_owned())];
    rotates(setup, CredentialEndpoint::Ecs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ec2_instance_role_rotates_under_load_and_provides_the_region() {
    let mut setup = setup(cloudwatch(Vec::new()).await, json!([{ "provider": "imds", "cluster": "near" }]));
    setup.receiver["cloud_watch_region"] = Value::Null;
    rotates(setup, CredentialEndpoint::Imds).await;
}

/// Tests a provider whose token is in a file. Each rotation replaces the token and invalidates the old one.
async fn rotates_with_a_token(
    reader: FileReader,
    endpoint: CredentialEndpoint,
    credentials: Value,
    environment: Vec<(&'static str, String)>,
) {
    let files = ServedFile::new(reader, "token");
    let cloudwatch = cloudwatch(Vec::new()).await;
    let token = |n: usize| format!("{SECRET_MARK}.token-{n}");
    cloudwatch.set_identity_tokens(vec![token(0)]);
    files.write(&token(0));
    let mut credentials = credentials;
    if credentials["provider"] == "web_identity" {
        credentials["sts_host"] = cloudwatch.address().to_string().into();
    }
    let path = files.path();
    let environment = environment.into_iter().map(|(name, value)| (name, value.replace("TOKEN_FILE", &path))).collect();
    let setup = Setup { resources: files.resources(), environment, ..setup(cloudwatch, credentials) };
    let pair = Pair::start(setup).await;
    let sent = under_load(&pair, |sets| {
        // A refresh with the previous token may still be in flight.
        pair.cloudwatch.set_identity_tokens(vec![token(sets - 1), token(sets)]);
        files.write(&token(sets));
    })
    .await;
    assert_nothing_is_lost(pair, sent, endpoint).await;
}

async fn pod_identity_rotates(reader: FileReader) {
    rotates_with_a_token(
        reader,
        CredentialEndpoint::PodIdentity,
        json!({ "provider": "container", "cluster": "near", "file_cluster": "files" }),
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials".to_owned()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "TOKEN_FILE".to_owned()),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eks_pod_identity_and_its_token_rotate_under_load() {
    pod_identity_rotates(FileReader::FileServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eks_pod_identity_and_its_token_rotate_under_load_through_lua() {
    pod_identity_rotates(FileReader::Lua).await;
}

async fn a_service_account_rotates(reader: FileReader) {
    rotates_with_a_token(
        reader,
        CredentialEndpoint::AssumeRoleWithWebIdentity,
        json!({ "provider": "web_identity", "cluster": "near", "file_cluster": "files" }),
        vec![
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod".to_owned()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "TOKEN_FILE".to_owned()),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eks_service_account_and_its_token_rotate_under_load() {
    a_service_account_rotates(FileReader::FileServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eks_service_account_and_its_token_rotate_under_load_through_lua() {
    a_service_account_rotates(FileReader::Lua).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assumed_role_rotates_under_load() {
    let cloudwatch = cloudwatch(Vec::new()).await;
    let credentials = json!({
        "provider": "assume_role",
        "cluster": "near",
        "sts_host": cloudwatch.address().to_string(),
        "role_arn": "arn:aws:iam::123456789012:role/metrics",
        "source": { "provider": "container", "cluster": "near", "relative_uri": "/v2/credentials/task" },
    });
    rotates(setup(cloudwatch, credentials), CredentialEndpoint::AssumeRole).await;
}

async fn a_shared_file_is_read_again(reader: FileReader) {
    let files = ServedFile::new(reader, "credentials");
    let cloudwatch = cloudwatch(Vec::new()).await;
    let key = |n: usize| {
        let (id, secret, token) = (format!("ASIAFILE{n}"), format!("{SECRET_MARK}s{n}"), format!("{SECRET_MARK}t{n}"));
        let keys = format!("aws_access_key_id={id}\naws_secret_access_key={secret}\naws_session_token={token}\n");
        files.write(&format!("[metrics]\n{keys}"));
        AccessKey::new(&id, &secret).with_session_token(&token)
    };
    cloudwatch.set_keys(vec![key(0)]);
    let credentials = json!({
        "provider": "shared_file",
        "file_cluster": "files",
        "credentials_file": files.path(),
        "profile": "metrics",
    });
    let mut pair = Pair::start(Setup { resources: files.resources(), ..setup(cloudwatch, credentials) }).await;
    // The file has new keys before the old ones expire. The receiver is notified of neither.
    let mut old =
        AccessKey::new("ASIAFILE0", format!("{SECRET_MARK}s0")).with_session_token(format!("{SECRET_MARK}t0"));
    let sent = under_load(&pair, |sets| {
        let new = key(sets);
        let expired = std::mem::replace(&mut old, new.clone()).with_expiry(SystemTime::now());
        pair.cloudwatch.set_keys(vec![expired, new]);
    })
    .await;
    assert_eq!(pair.wait_until_stored(sent).await, counts((0..sent).map(|_| series("example.com", "GET", "/", 200))));
    let rejected: Vec<_> = pair.cloudwatch.calls().into_iter().filter(|call| !call.is_stored).collect();
    assert!((3..=4).contains(&rejected.len()), "{rejected:#?}");
    assert!(rejected.iter().all(|call| call.code.as_deref() == Some("ExpiredTokenException")), "{rejected:#?}");
    assert_eq!(pair.envoy.admin().module_stats().await["receiver.denied"], 0);
    assert!(!pair.envoy.log().contains(SECRET_MARK), "{}", pair.envoy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_credentials_file_is_read_again_after_its_keys_expire() {
    a_shared_file_is_read_again(FileReader::FileServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_credentials_file_is_read_again_after_its_keys_expire_through_lua() {
    a_shared_file_is_read_again(FileReader::Lua).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_credential_endpoint_loses_nothing() {
    let mut setup = setup(cloudwatch(Vec::new()).await, json!({ "provider": "container", "cluster": "near" }));
    setup.environment = vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/task".to_owned())];
    setup.cloudwatch.as_ref().unwrap().fail_next_credentials(2, 503);
    let mut pair = Pair::start(setup).await;
    let requests = |n: usize| (0..n).map(|_| ClientRequest::get("example.com", "/")).collect();
    load(pair.address(), 4, requests(100)).await;
    eventually("both failures are counted and all requests are stored", LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        let is_met = stats["receiver.credentials.failed"] == 2 && stats["receiver.published"] == 100;
        if is_met { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    // Fail for longer than the lifetime of credentials.
    pair.cloudwatch.fail_next_credentials(4, 500);
    eventually("refreshes fail", LIMIT, async || {
        load(pair.address(), 4, requests(1)).await;
        let stats = pair.envoy.admin().module_stats().await;
        if stats["receiver.credentials.failed"] >= 5 { Ok(()) } else { Err(format!("{stats:#?}")) }
    })
    .await;
    let stats = pair.envoy.admin().module_stats().await;
    assert!(stats["receiver.held"] > 0, "{stats:#?}");
    let sent = eventually("all requests are observed", LIMIT, async || {
        let observed = pair.envoy.admin().module_stats().await["sender.observed"];
        if observed == pair.envoy.admin().stats("downstream_rq_2xx").await["http.main.downstream_rq_2xx"] {
            Ok(observed)
        } else {
            Err(observed)
        }
    })
    .await;
    pair.wait_until_stored(sent).await;
    assert_eq!(pair.cloudwatch.calls().iter().find(|call| !call.is_stored), None);
    let log = pair.envoy.log();
    assert!(
        log.contains("could not load credentials; data are held") && log.contains("status 503 (InjectedFailure)"),
        "{log}"
    );
    assert!(!log.contains(SECRET_MARK));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_the_standard_aws_variables_are_used() {
    let (secret, token) = (format!("{SECRET_MARK}s"), format!("{SECRET_MARK}t"));
    let key = AccessKey::new("ASIAENVIRONMENT", &secret).with_session_token(&token);
    let mut setup = setup(
        cloudwatch(vec![key]).await,
        json!([{ "provider": "web_identity", "cluster": "near", "file_cluster": "near" }, { "provider": "environment" }]),
    );
    setup.environment = vec![
        ("AWS_ACCESS_KEY_ID", "ASIAENVIRONMENT".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", token),
        ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
    ];
    setup.receiver["cloud_watch_region"] = Value::Null;
    let mut pair = Pair::start(setup).await;
    assert_eq!(pair.send(ClientRequest::get("example.com", "/")).await, 200);
    pair.wait_until_stored(1).await;
    let log = pair.envoy.log();
    assert!(log.contains("of eu-central-1 every 1000 ms with credentials from environment"), "{log}");
    assert!(!log.contains(SECRET_MARK), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_signature_is_accepted() {
    let secret = format!("{SECRET_MARK}s");
    let cloudwatch = cloudwatch(vec![AccessKey::new("AKIAENVOY", &secret)]).await;
    let address = cloudwatch.address();
    let signing = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
        "service_name": "monitoring",
        "region": "us-east-1",
        "credential_provider": { "inline_credential": { "access_key_id": "AKIAENVOY", "secret_access_key": secret } },
    });
    let codec = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec" });
    let endpoint = json!({ "address": address.ip().to_string(), "port_value": address.port() });
    let cluster = json!({
        "name": "cloud_watch",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "cloud_watch",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": endpoint } } }] }],
        },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http_protocol_options": {} },
            "http_filters": [
                { "name": "envoy.filters.http.aws_request_signing", "typed_config": signing },
                { "name": "envoy.filters.http.upstream_codec", "typed_config": codec },
            ],
        } },
    });
    let resources = vec![("clusters", cluster)];
    let mut pair = Pair::start(Setup { resources, ..setup(cloudwatch, json!({ "provider": "envoy" })) }).await;
    let paths = (0..500).map(|n| format!("/{n}"));
    load(pair.address(), 4, paths.map(|path| ClientRequest::get("example.com", &path)).collect()).await;
    pair.wait_until_stored(500).await;
    assert_eq!(sets(&pair), BTreeSet::from(["AKIAENVOY".to_owned()]));
    assert!(pair.cloudwatch.calls().iter().any(|call| call.raw_bytes > call.body_bytes), "no body was compressed");
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_does_not_start_without_credentials_and_logs_the_reasons() {
    let configuration = json!({
        "cloud_watch_region": "us-east-1",
        "cloud_watch_cluster_name": "cloud_watch",
        "credentials": [{ "provider": "environment" }, { "provider": "container", "cluster": "ecs" }],
    });
    let secret = format!("{SECRET_MARK}s");
    let plugin = Plugin::receiver(configuration).environment("AWS_SESSION_TOKEN", &secret);
    let refusal = Envoy::fail_to_start(&Bootstrap::default().receiver(ReceiverAttachment::Singleton, plugin)).await;
    assert!(!refusal.status.success());
    for part in ["credentials: no provider can be used: credentials[0]: ", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
        assert!(refusal.log.contains(part), "{}", refusal.log);
    }
    assert!(!refusal.log.contains(SECRET_MARK), "{}", refusal.log);
}

//! The deployments in deploy/, rendered as their products do, count every request in a real Envoy.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{self, Command},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use e2e::{ClientRequest, Connection, Envoy, Upstream, eventually, installation, json_post, load};
use local_cloudwatch::{CredentialEndpoint, LocalCloudWatch, SECRET_MARK, ServerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

/// Timeout for data to arrive. In deployments, senders flush and the receiver publishes once per second.
const LIMIT: Duration = Duration::from_secs(40);

/// Number of requests that match `match_hosts`.
const REQUESTS: usize = 200;
/// Number of requests for another host.
const OTHER_REQUESTS: usize = 50;
/// Number of posts to the gateway.
const POSTS: usize = 10;

const TOKEN: &str = "gateway-token";

/// Maximum number of ports of a deployment.
const MAX_PORTS: u16 = 8;

/// Returns the first of several consecutive free ports, below the range of ephemeral ports.
fn free_ports() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    loop {
        let process = u16::try_from(process::id() % 1_000).unwrap();
        let first = 20_000 + (process * 7 + TAKEN.fetch_add(1, Ordering::SeqCst)) % 1_000 * MAX_PORTS;
        if (first..first + MAX_PORTS).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return first;
        }
    }
}

/// Renders a deployment with render.py and returns its run.json.
fn render(name: &str, folder: &Path, cloudwatch: SocketAddr, application: SocketAddr) -> Value {
    let output = Command::new(installation::python())
        .arg(installation::root().join("deploy/render.py"))
        .arg(folder)
        .args([name, "--local", &cloudwatch.to_string(), "--application", &application.to_string()])
        .args(["--port", &free_ports().to_string(), "--modules"])
        .arg(installation::modules())
        // Don't let Python write compiled files next to the script.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&fs::read(folder.join(name).join("run.json")).unwrap()).unwrap()
}

/// Returns the endpoint that issues the credentials of an environment, or `None` if they are static keys.
fn endpoint(environment: &str) -> Option<CredentialEndpoint> {
    match environment {
        "irsa" => Some(CredentialEndpoint::AssumeRoleWithWebIdentity),
        "pod-identity" => Some(CredentialEndpoint::PodIdentity),
        "ecs" => Some(CredentialEndpoint::Ecs),
        "imds" => Some(CredentialEndpoint::Imds),
        "keys" | "shared-file" => None,
        _ => panic!("unknown environment {environment}"),
    }
}

/// Runs a deployment with each of its credential environments.
async fn counts_with_all_credentials(name: &str) {
    let folder = TempDir::new().unwrap();
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let environments = render(name, folder.path(), anywhere, anywhere)["environments"].clone();
    let environments: Vec<_> = environments.as_object().unwrap().keys().collect();
    assert!(!environments.is_empty(), "{name}");
    for environment in environments {
        println!("{name} with {environment}");
        counts(name, environment).await;
    }
}

async fn counts(name: &str, environment: &str) {
    let folder = TempDir::new().unwrap();
    let (cloudwatch, upstream) =
        (LocalCloudWatch::start(ServerOptions::default()).await.unwrap(), Upstream::start().await);
    let run = render(name, folder.path(), cloudwatch.address(), upstream.address());
    let token = format!("{SECRET_MARK}.token");
    cloudwatch.set_identity_tokens(vec![token.clone()]);
    let write = |file: &str, text: &str| fs::write(folder.path().join(name).join(file), text).unwrap();
    match environment {
        "irsa" => write("token", &token),
        "pod-identity" => write("pod-identity-token", &token),
        "shared-file" => {
            write("credentials", "[default]\naws_access_key_id = local\naws_secret_access_key = local\n");
        }
        _ => {}
    }

    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let arguments: Vec<_> = run["arguments"].as_array().unwrap().iter().map(text).collect();
    let variables = run["environments"][environment].as_object().unwrap();
    let mut variables: Vec<_> = variables.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    variables.push(("ACPW_GATEWAY_BEARER_TOKEN".to_owned(), TOKEN.to_owned()));
    let mut envoy = Envoy::start_with(&arguments, &variables).await;

    let (host, namespace) = (text(&run["host"]), text(&run["metric_namespace"]));
    let port = |name: &str| {
        let port = run["ports"].get(name)?.as_u64()?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap())))
    };
    let mut expected = BTreeMap::new();
    if let Some(address) = port("requests") {
        let path = |n: usize| format!("/{}", n % 3);
        let counted = (0..REQUESTS).map(|n| ClientRequest::get(&host, &path(n)));
        let others = (0..OTHER_REQUESTS).map(|n| ClientRequest::get("example.net", &path(n)));
        let statuses = load(address, 4, counted.chain(others).collect()).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        expected.insert("RequestCount".to_owned(), REQUESTS as f64);
    }
    let gateway = port("gateway").unwrap();
    eventually("the gateway is ready", LIMIT, async || {
        let response = Connection::new(gateway).send(&ClientRequest::get("localhost", "/healthcheck")).await;
        let status = response.map_err(|error| error.to_string())?.status;
        if status == 200 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let datum = json!({ "MetricName": "Posted", "Value": 1 });
    let post = json_post("/metrics", json!({ "Namespace": namespace, "MetricData": [datum] }));
    let post = post.header("authorization", &format!("Bearer {TOKEN}"));
    let mut connection = Connection::new(gateway);
    for _ in 0..POSTS {
        assert_eq!(connection.send(&post).await.unwrap().status, 202);
    }
    expected.insert("Posted".to_owned(), POSTS as f64);

    let counted = || {
        let mut sums = BTreeMap::new();
        for total in cloudwatch.totals(&namespace) {
            *sums.entry(total.metric_name).or_insert(0.0) += total.sum;
        }
        sums.retain(|metric, _| expected.contains_key(metric));
        sums
    };
    eventually("all data is stored", LIMIT, async || {
        let counted = counted();
        if counted == expected {
            Ok(())
        } else {
            Err(format!("expected {expected:?}, got {counted:?}\n{}", envoy.log()))
        }
    })
    .await;
    // Give every worker time to flush, to show that nothing follows.
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(counted(), expected);

    let rejected: Vec<_> = cloudwatch.calls().into_iter().filter(|call| !call.is_stored).collect();
    assert!(rejected.is_empty(), "{rejected:?}");
    let issued = cloudwatch.credential_calls().into_iter().filter(|call| call.status == 200);
    let endpoints: Vec<_> = issued.map(|call| call.endpoint).collect();
    match endpoint(environment) {
        Some(expected) => {
            assert!(!endpoints.is_empty() && endpoints.iter().all(|found| *found == expected), "{endpoints:?}")
        }
        None => assert!(endpoints.is_empty(), "{endpoints:?}"),
    }
    envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn istio_with_the_sender_as_filter() {
    counts_with_all_credentials("istio-filter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn istio_with_the_sender_as_access_logger() {
    counts_with_all_credentials("istio-access-logger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_gateway_with_the_sender_as_filter() {
    counts_with_all_credentials("envoy-gateway-filter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_gateway_with_the_sender_as_access_logger() {
    counts_with_all_credentials("envoy-gateway-access-logger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_on_kubernetes() {
    counts_with_all_credentials("kubernetes-sidecar").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_on_kubernetes() {
    counts_with_all_credentials("kubernetes-gateway").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_on_ecs_by_cloudformation() {
    counts_with_all_credentials("ecs-cloudformation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_on_ecs_by_terraform() {
    counts_with_all_credentials("ecs-terraform").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_systemd() {
    counts_with_all_credentials("systemd").await;
}

#[cfg(feature = "helm")]
#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_by_helm() {
    counts_with_all_credentials("helm-sidecar").await;
}

#[cfg(feature = "helm")]
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_by_helm() {
    counts_with_all_credentials("helm-gateway").await;
}

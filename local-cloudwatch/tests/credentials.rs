//! Short-lived credentials: issued at AWS's own endpoints and valid until they expire.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use local_cloudwatch::{CredentialEndpoint, LocalCloudWatch, SECRET_MARK, ServerOptions};
use serde_json::Value;
use support::{HttpResponse, SigningClient, control, exchange};

const ONE: &str = r#"{"Namespace":"N","MetricData":[{"MetricName":"m","Value":1}]}"#;
const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> HttpResponse {
    let host = address.to_string();
    exchange(address, "GET", path, &[&[("host", host.as_str())], headers].concat(), b"").await.unwrap()
}

/// Creates a client that signs with issued credentials. Leaks their strings for the duration of the test.
fn client(address: SocketAddr, id: &str, secret: &str, token: &str) -> SigningClient {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    SigningClient {
        access_key_id: leak(id),
        secret_access_key: leak(secret),
        session_token: Some(leak(token)),
        ..SigningClient::new(address)
    }
}

fn client_from_json(address: SocketAddr, response: &HttpResponse) -> SigningClient {
    let document: Value = serde_json::from_str(&response.body).unwrap();
    let text = |name: &str| document[name].as_str().unwrap();
    assert!(text("SecretAccessKey").starts_with(SECRET_MARK) && text("Token").starts_with(SECRET_MARK));
    client(address, text("AccessKeyId"), text("SecretAccessKey"), text("Token"))
}

fn client_from_xml(address: SocketAddr, response: &HttpResponse) -> SigningClient {
    let element = |name: &str| {
        let (_, rest) = response.body.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    client(address, &element("AccessKeyId"), &element("SecretAccessKey"), &element("SessionToken"))
}

async fn start() -> LocalCloudWatch {
    LocalCloudWatch::start(ServerOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_set_signs_until_it_expires() {
    let cloudwatch = start().await;
    let address = cloudwatch.address();
    cloudwatch.set_lifetime(Duration::from_secs(60));
    let client = client_from_json(address, &get(address, "/v2/credentials/any", &[]).await);
    assert_eq!(client.put(ONE).await.unwrap().status, 200);
    cloudwatch.shift_clock(61_000);
    let late = SigningClient { time: client.time + Duration::from_secs(61), ..client };
    let rejected = late.put(ONE).await.unwrap();
    assert!(rejected.status == 400 && rejected.body.contains("ExpiredTokenException"), "{}", rejected.body);
}

#[tokio::test]
async fn pod_identity_requires_a_valid_token() {
    let cloudwatch = start().await;
    let address = cloudwatch.address();
    let token = cloudwatch.identity_tokens().remove(0);
    for headers in [[].as_slice(), &[("authorization", "other")]] {
        assert_eq!(get(address, "/v1/credentials", headers).await.status, 401);
    }
    let response = get(address, "/v1/credentials", &[("authorization", &token)]).await;
    assert_eq!(client_from_json(address, &response).put(ONE).await.unwrap().status, 200);
    cloudwatch.set_identity_tokens(vec!["rotated".to_owned()]);
    assert_eq!(get(address, "/v1/credentials", &[("authorization", &token)]).await.status, 401);
}

#[tokio::test]
async fn the_metadata_service_requires_a_session() {
    let cloudwatch = start().await;
    let address = cloudwatch.address();
    let host = address.to_string();
    let open = async |headers: &[(&str, &str)]| {
        let headers = [&[("host", host.as_str())], headers].concat();
        exchange(address, "PUT", "/latest/api/token", &headers, b"").await.unwrap()
    };
    assert_eq!(open(&[]).await.status, 400);
    let length = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    assert_eq!(open(&[length, ("x-forwarded-for", "1.2.3.4")]).await.status, 403);
    let token = open(&[length]).await.body;
    let roles = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(get(address, roles, &[]).await.status, 401);
    let session = [("x-aws-ec2-metadata-token", token.as_str())];
    let role = get(address, roles, &session).await.body;
    let response = get(address, &format!("{roles}{role}"), &session).await;
    assert!(response.body.contains(r#""Code":"Success""#), "{}", response.body);
    assert_eq!(client_from_json(address, &response).put(ONE).await.unwrap().status, 200);
    assert_eq!(get(address, &format!("{roles}other"), &session).await.status, 404);
    assert_eq!(get(address, "/latest/meta-data/placement/region", &session).await.body, "us-east-1");
    cloudwatch.shift_clock(60_000);
    assert_eq!(get(address, roles, &session).await.status, 401);
}

#[tokio::test]
async fn assume_role_requires_a_signature_for_sts() {
    let cloudwatch = start().await;
    let address = cloudwatch.address();
    let form = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=s";
    let wrong_service = SigningClient::new(address).signed("/", &FORM, form.as_bytes()).await.unwrap();
    assert!(wrong_service.status == 403 && wrong_service.body.contains("SignatureDoesNotMatch"));
    let sts = SigningClient { service: "sts", ..SigningClient::new(address) };
    let stranger = SigningClient { secret_access_key: "other", ..sts.clone() };
    assert_eq!(stranger.signed("/", &FORM, form.as_bytes()).await.unwrap().status, 403);
    let response = sts.signed("/", &FORM, form.as_bytes()).await.unwrap();
    assert_eq!(client_from_xml(address, &response).put(ONE).await.unwrap().status, 200);
    let nameless = sts.signed("/", &FORM, b"Action=AssumeRole&Version=2011-06-15&RoleArn=x").await.unwrap();
    assert!(nameless.status == 400 && nameless.body.contains("ValidationError"), "{}", nameless.body);
}

#[tokio::test]
async fn a_web_identity_token_is_exchanged_without_a_signature() {
    let cloudwatch = start().await;
    let address = cloudwatch.address();
    let host = address.to_string();
    let exchanged = async |token: &str| {
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=r&RoleSessionName=s&WebIdentityToken={token}"
        );
        let headers = [&[("host", host.as_str())], FORM.as_slice()].concat();
        exchange(address, "POST", "/", &headers, form.as_bytes()).await.unwrap()
    };
    let rejected = exchanged("other").await;
    assert!(rejected.status == 400 && rejected.body.contains("<Code>InvalidIdentityToken</Code>"), "{}", rejected.body);
    let response = exchanged(&cloudwatch.identity_tokens()[0]).await;
    assert_eq!(client_from_xml(address, &response).put(ONE).await.unwrap().status, 200);
}

#[tokio::test]
async fn failures_are_injected_and_calls_recorded() {
    let cloudwatch = start().await;
    let address = cloudwatch.address();
    cloudwatch.fail_next_credentials(1, 503);
    let request = r#"{"lifetime_millis":2000,"fail_calls":1,"fail_status":429}"#;
    assert_eq!(control(address, "POST", "/_local/credentials", request).await.status, 204);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(get(address, "/v2/credentials/any", &[]).await.status);
    }
    assert_eq!(statuses, [503, 429, 200]);
    let calls = cloudwatch.credential_calls();
    assert!(calls.iter().all(|call| call.endpoint == CredentialEndpoint::Ecs));
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), statuses);
    assert!(calls[2].access_key_id.starts_with("ASIA") && calls[0].access_key_id.is_empty());
    let listed = control(address, "GET", "/_local/credentials", "").await.body;
    assert!(listed.contains(r#""endpoint":"ecs""#) && !listed.contains(SECRET_MARK), "{listed}");
}

//! Every generated request gets the very headers that AWS's own signer, `aws-sigv4`, gives it.
#![allow(clippy::unwrap_used)]
#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use acpw_sigv4::{Credentials, PayloadHash, SignableRequest, Signer, SigningScope};
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const CASES: u32 = 4_096;
/// 2000-01-01T00:00:00Z and 2100-01-01T00:00:00Z.
const DATES: std::ops::Range<i64> = 946_684_800..4_102_444_800;

#[derive(Debug)]
struct Case {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: String,
    service: String,
    signed_at: i64,
    method: &'static str,
    host: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    payload_hash: PayloadHash,
}

/// Paths as an HTTP client may send them: dot segments, empty segments, reserved characters, escapes, raw UTF-8.
fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[A-Za-z0-9._~!$&'()*+,;=:@-]{0,8}",
        2 => "(%[0-9A-Fa-f]{2}|%|[a-z]|ሴ|é){0,6}",
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => Just(String::new()),
    ];
    vec(segment, 0..8).prop_map(|segments| {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            path.push_str(&segment);
        }
        path
    })
}

/// Queries with repeated, empty and valueless parameters; every escape that is one decodes to whole characters,
/// because `aws-sigv4` replaces what is not UTF-8.
fn query() -> impl Strategy<Value = String> {
    let part = "([A-Za-z0-9._~!$'()*,;:@/?-]|\\+|%2[0-9A-Fa-f]|%[3-7][0-9a-f]|%E1%88%B4|%c3%A9|%g|%4g|ሴ|é){0,8}%?";
    let parameter = prop_oneof![
        6 => (part, part).prop_map(|(name, value)| format!("{name}={value}")),
        2 => ("[abAB]", "[0-9=]{0,2}").prop_map(|(name, value)| format!("{name}={value}")),
        1 => part,
        1 => Just(String::new()),
    ];
    vec(parameter, 0..8).prop_map(|parameters| parameters.join("&"))
}

/// Headers in mixed case, with runs of spaces, and often several of one name.
fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        4 => "[Xx]-[A-Za-z0-9!#$&'*+.^_`|~-]{1,12}",
        2 => "[Mm]y-[Hh]eader[12]",
        1 => "[Cc]ontent-[Tt]ype",
        1 => "X-Amz-Target",
    ];
    let value = prop_oneof![4 => "[ -~]{0,40}", 2 => " {0,3}[a-z]{0,4} {0,4}[A-Z]{0,4} {0,3}", 1 => "[é ]{0,5}"];
    let written_by_signing = ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];
    vec((name, value), 0..8).prop_map(move |mut headers| {
        headers.retain(|(name, _)| !written_by_signing.contains(&name.to_lowercase().as_str()));
        headers
    })
}

/// Bodies of 0 to 10 kB; a repeated pattern, because drawing every byte takes most of the test's time.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![1 => Just(0), 4 => 0_usize..=10_240];
    (vec(any::<u8>(), 1..100), length).prop_map(|(pattern, length)| pattern.into_iter().cycle().take(length).collect())
}

fn case() -> impl Strategy<Value = Case> {
    let identity = ("[A-Za-z0-9_]{1,32}", "[!-~]{1,100}", proptest::option::of("[A-Za-z0-9/+=]{1,600}"));
    let scope = ("[a-z]{2}(-gov)?-[a-z]{4,9}-[1-9]", prop_oneof!["monitoring", "sts", "[a-z-]{1,20}"], DATES);
    let target = (
        select(&["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"][..]),
        "[a-z0-9][a-z0-9-]{0,20}(\\.[a-z0-9]{1,10}){0,3}(:[1-9][0-9]{3})?",
        path(),
        query(),
    );
    let content = (headers(), body(), select(&[PayloadHash::Implied, PayloadHash::Header][..]));
    (identity, scope, target, content).prop_map(
        |(
            (access_key_id, secret_access_key, session_token),
            (region, service, signed_at),
            (method, host, path, query),
            (headers, body, payload_hash),
        )| Case {
            access_key_id,
            secret_access_key,
            session_token,
            region,
            service,
            signed_at,
            method,
            host,
            path,
            query,
            headers,
            body,
            payload_hash,
        },
    )
}

fn ours(case: &Case) -> BTreeMap<String, String> {
    let token = case.session_token.as_deref();
    let credentials = Credentials::new(&case.access_key_id, &case.secret_access_key, token).unwrap();
    let mut signer = Signer::new(credentials, SigningScope::new(&case.region, &case.service).unwrap());
    let headers: Vec<(&str, &str)> = case.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let request = SignableRequest {
        method: case.method,
        host: &case.host,
        path: &case.path,
        query: &case.query,
        headers: &headers,
        body: &case.body,
        payload_hash: case.payload_hash,
    };
    let signed = signer.sign(&request, case.signed_at).unwrap();
    signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn theirs(case: &Case) -> BTreeMap<String, String> {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = match case.payload_hash {
        PayloadHash::Implied => PayloadChecksumKind::NoHeader,
        PayloadHash::Header => PayloadChecksumKind::XAmzSha256,
    };
    let identity = aws_credential_types::Credentials::new(
        &case.access_key_id,
        &case.secret_access_key,
        case.session_token.clone(),
        None,
        "generated",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&case.region)
        .name(&case.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(case.signed_at.try_into().unwrap()))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = format!("https://{}{}?{}", case.host, case.path, case.query);
    let headers = case.headers.iter().map(|(name, value)| (&**name, &**value));
    let request = SignableRequest::new(case.method, uri, headers, SignableBody::Bytes(&case.body)).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn signs_as_aws_does(case in case()) {
        prop_assert_eq!(ours(&case), theirs(&case));
    }
}

//! Fuzzes the responses of agents, metadata services and STS, or of servers in their place: they must not split a
//! header or redirect a request, and the secrets in them must not appear in logs or `Debug` output.
#![no_main]

use std::time::Duration;

use acpw_metric::{Accumulator, Dimensions, Distribution, Metric, MetricName, Now, StorageResolution, Timestamp, Unit};
use libfuzzer_sys::fuzz_target;
use receiver::{
    Driver, ReceiverConfig,
    call::{CREDENTIALS_LIMIT, Call, Response},
};

/// 2026-08-22T12:36:00Z
const START: u64 = 1_787_402_160;

const SECRET: &str = "TOPSECRETKEY";

const CONFIGURATIONS: [&str; 4] = [
    r#"{"cloud_watch_cluster_name": "c", "cloud_watch_region": "eu-west-1",
        "credentials": {"provider": "container", "cluster": "ecs"}}"#,
    // The region is requested, too.
    r#"{"cloud_watch_cluster_name": "c", "credentials": {"provider": "imds", "cluster": "imds"}}"#,
    r#"{"cloud_watch_cluster_name": "c", "cloud_watch_region": "eu-west-1", "credentials": {"provider": "assume_role",
        "cluster": "sts", "role_arn": "arn:aws:iam::123456789012:role/metrics", "source":
        {"provider": "static", "access_key_id": "AKIASOURCE", "secret_access_key": "SOURCEKEY"}}}"#,
    r#"{"cloud_watch_cluster_name": "c", "cloud_watch_region": "eu-west-1", "credentials": {"provider": "web_identity",
        "cluster": "sts", "file_cluster": "files", "role_arn": "arn:aws:iam::123456789012:role/pod", "token_file": "/t",
        "session_name": "s1"}}"#,
];

/// A response: its shape, its status, and the parts of its body. Most shapes match the request.
type Answer<'a> = (u8, u16, [&'a [u8]; 4]);

fuzz_target!(|input: (u8, Vec<Answer<'_>>)| {
    let (configuration, answers) = input;
    let has_secret = |part: &&[u8]| part.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    if answers.iter().any(|(_, _, parts)| parts.iter().any(has_secret)) {
        return;
    }
    let mut driver = driver(CONFIGURATIONS[usize::from(configuration) % CONFIGURATIONS.len()]);
    let mut seconds = 0;
    for answer in &answers {
        let now = Now { wall: Timestamp::from_secs(START + seconds), steady: Duration::from_secs(seconds) };
        match driver.poll_call(now) {
            Some(call) => {
                check_headers(&call.headers);
                driver.handle_call_answer(&response(answer, &call), now);
            }
            // The driver is waiting, or it has credentials.
            None => seconds += 600,
        }
        if let Some(transmit) = driver.poll_transmit(now) {
            check_headers(&transmit.headers);
            driver.handle_undispatched(transmit.id, "no connection", now);
        }
        while let Some((_, line)) = driver.poll_log_line() {
            assert!(!line.contains(SECRET) && !line.chars().any(char::is_control), "{line:?}");
        }
        assert!(!format!("{driver:?}").contains(SECRET));
        assert_eq!(driver.receiver().held(), 1);
    }
});

/// Creates a driver that holds data.
fn driver(configuration: &str) -> Driver {
    let environment =
        |name: &str| (name == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").then(|| "/v2/credentials/id".to_owned());
    let config = ReceiverConfig::from_json(configuration.as_bytes(), environment).expect("a valid configuration");
    let mut driver = Driver::new(config, 7);
    let name = MetricName::new("RequestCount").expect("a valid name");
    let metric = Metric { name, unit: Unit::COUNT, resolution: StorageResolution::Standard };
    let mut one = Distribution::new();
    one.record(1.0);
    let mut data = Accumulator::default();
    data.add(Timestamp::from_secs(START), None, &Dimensions::default(), &metric, &one);
    for record in data.into_records(1 << 16) {
        driver.handle_record(&record, Now { wall: Timestamp::from_secs(START), steady: Duration::ZERO });
    }
    driver
}

fn response((shape, status, parts): &Answer<'_>, call: &Call) -> Response {
    let [one, two, three, four] = parts;
    let or = |part: &[u8], usual: &str| if part.is_empty() { usual.as_bytes().to_vec() } else { part.to_vec() };
    let requested = call.headers.iter().find(|(name, _)| *name == ":path").map_or("", |(_, path)| path);
    let is_document = requested.starts_with("/v2/credentials/") || requested.ends_with("/name");
    let shape = match (shape % 9, call.cluster.as_str()) {
        (shape @ 0..5, _) => shape,
        (_, "sts") => 3,
        (_, _) if is_document => 2,
        (_, _) => 1,
    };
    let (id, token, expiration) = (or(one, "ASIAEXAMPLE"), or(two, "TOKEN"), or(three, "2026-08-22T18:36:00Z"));
    let body = match shape {
        0 => one.to_vec(),
        // A region, or plain text such as a token or the name of a role.
        1 if requested.ends_with("/region") => or(one, "eu-west-1"),
        1 => or(one, "name"),
        2 => [
            br#"{"Code": "Success", "AccessKeyId": ""#.as_slice(),
            &id,
            br#"", "SecretAccessKey": ""#,
            SECRET.as_bytes(),
            four,
            br#"", "Token": ""#,
            &token,
            br#"", "Expiration": ""#,
            &expiration,
            br#""}"#,
        ]
        .concat(),
        3 => [
            b"<Credentials><AccessKeyId>".as_slice(),
            &id,
            b"</AccessKeyId><SecretAccessKey>",
            SECRET.as_bytes(),
            four,
            b"</SecretAccessKey><SessionToken>",
            &token,
            b"</SessionToken><Expiration>",
            &expiration,
            b"</Expiration></Credentials>",
        ]
        .concat(),
        _ => [b"<Error><Code>".as_slice(), one, b"</Code><Message>", two, b"</Message></Error>"].concat(),
    };
    // Most responses are successful.
    let status = if *status < 1 << 14 { status.to_string() } else { "200".to_owned() };
    let header = |name: &str| match name {
        ":status" => Some(status.as_bytes().to_vec()),
        "x-envoy-upstream-service-time" => Some(b"1".to_vec()),
        "date" => Some(four.to_vec()),
        _ => None,
    };
    Response::new(header, body, CREDENTIALS_LIMIT)
}

fn check_headers(headers: &[(&str, String)]) {
    for (name, value) in headers {
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
        assert!(*name != ":path" || (value.starts_with('/') && !value.contains("..")), "{value:?}");
    }
}

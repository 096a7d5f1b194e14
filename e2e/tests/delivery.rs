//! Stored and dropped values add up to the observed values, for every kind of response from CloudWatch.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test runs in real time and fails by panicking, in its helpers too"
)]

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use e2e::{ClientRequest, NAMESPACE, Pair, RequestCounts, Setup, TcpRelay, counts, eventually, load, series};
use local_cloudwatch::{AccessKey, DropPoint, Failure, LocalCloudWatch};
use serde_json::json;
use tokio::time::sleep;

/// Timeout for conditions. The receiver tries rejected credentials again after 30 s.
const LIMIT: Duration = Duration::from_secs(50);

type Stats = BTreeMap<String, u64>;

/// Sends requests with distinct paths, so that each is one value, one datum and one series.
async fn send(pair: &Pair, numbers: Range<u64>) -> RequestCounts {
    let paths: Vec<_> = numbers.map(|n| format!("/{n}")).collect();
    let requests: Vec<_> = paths.iter().map(|path| ClientRequest::get("example.com", path)).collect();
    assert!(load(pair.address(), 4, requests).await.iter().all(|status| *status == 200));
    counts(paths.iter().map(|path| series("example.com", "GET", path, 200)))
}

async fn eventually_counted(pair: &Pair, what: &str, is_met: impl Fn(&Stats) -> bool) -> Stats {
    eventually(what, LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        if is_met(&stats) { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await
}

/// Returns the number of data in the calls with this status (`None` if the connection was reset) that were stored or
/// not.
fn data(cloudwatch: &LocalCloudWatch, status: Option<u16>, is_stored: bool) -> u64 {
    let calls = cloudwatch.calls();
    let matching = calls.iter().filter(|call| call.status == status && call.is_stored == is_stored);
    matching.map(|call| call.data as u64).sum()
}

/// Sends requests while the responses to some calls are lost, and returns the final stats.
async fn lose_responses(on_unknown_outcome: &str, drop_points: &[DropPoint]) -> (Pair, Stats) {
    let receiver = json!({ "on_unknown_outcome": on_unknown_outcome });
    let mut pair = Pair::start(Setup { receiver, ..Setup::default() }).await;
    send(&pair, 0..100).await;
    pair.wait_until_stored(100).await;
    for (round, point) in (1..).zip(drop_points) {
        pair.cloudwatch.drop_next(1, *point);
        send(&pair, 100 * round..100 * (round + 1)).await;
        let stats = pair.wait_until_idle(100 * (round + 1)).await;
        assert_eq!(stats["receiver.unknown_outcome"], round, "{stats:#?}");
    }
    pair.envoy.assert_healthy();
    let stats = pair.envoy.admin().module_stats().await;
    (pair, stats)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_lost_response_can_count_twice_and_is_reported() {
    let (pair, stats) = lose_responses("retry", &[DropPoint::AfterStoring, DropPoint::BeforeStoring]).await;
    let twice = data(&pair.cloudwatch, None, true);
    assert!(twice > 0 && data(&pair.cloudwatch, None, false) > 0, "{:?}", pair.cloudwatch.calls());
    assert_eq!((stats["receiver.published"], stats["receiver.dropped.unknown_outcome"]), (300, 0), "{stats:#?}");
    let stored = pair.stored();
    assert_eq!((stored.len(), stored.values().sum::<u64>()), (300, 300 + twice));
    assert_eq!(stored.values().filter(|times| **times == 2).count() as u64, twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_after_a_lost_response_counts_at_most_once_and_is_reported() {
    let (pair, stats) = lose_responses("drop", &[DropPoint::AfterStoring, DropPoint::BeforeStoring]).await;
    let (stored_unanswered, lost) = (data(&pair.cloudwatch, None, true), data(&pair.cloudwatch, None, false));
    assert!(stored_unanswered > 0 && lost > 0, "{:?}", pair.cloudwatch.calls());
    assert_eq!(stats["receiver.dropped.unknown_outcome"], stored_unanswered + lost, "{stats:#?}");
    assert_eq!(stats["receiver.retried"], 0, "{stats:#?}");
    let stored = pair.stored();
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    assert_eq!(stored.len() as u64, stats["receiver.published"] + stored_unanswered);
    assert_eq!(stored.len() as u64, 300 - lost);
}

const DAY: i64 = 24 * 60 * 60 * 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_follow_cloudwatchs_clock_if_the_hosts_clock_is_wrong() {
    let mut pair = Pair::start(Setup::default()).await;
    let mut expected = RequestCounts::new();
    for (round, shift) in (0..).zip([2 * DAY, -2 * DAY, 0]) {
        pair.cloudwatch.shift_clock(shift);
        let sent = send(&pair, 100 * round..100 * (round + 1)).await;
        expected.extend(sent.clone());
        assert_eq!(pair.wait_until_stored(100 * (round + 1)).await, expected);

        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + shift / 1_000;
        for total in pair.cloudwatch.totals(NAMESPACE) {
            let path = &total.dimensions["path"];
            if sent.contains_key(&series("example.com", "GET", path, 200)) {
                // The timestamp of minute data is the start of the minute, and is corrected by whole minutes.
                let ages: Vec<_> = total.buckets.iter().map(|bucket| now - bucket.timestamp).collect();
                assert!(ages.iter().all(|age| (-60..180).contains(age)), "{path} at {ages:?} s before {now}");
            }
        }
        let skew = pair.envoy.admin().module_stats().await["receiver.clock_skew_millisecond"];
        assert!(skew.abs_diff(shift.unsigned_abs()) < 5_000, "expected {shift}, got {skew}");
    }
    let rejected = pair.cloudwatch.calls().iter().filter(|call| call.status == Some(400)).count();
    assert_eq!(rejected, 6, "expected two rejected signatures for each change: {:?}", pair.cloudwatch.calls());
}

const FULL: u64 = 1_000;

/// Publishes 1,000 series in one request, which fails `times` times with `failure`. Drops one value before, so that the
/// thousand series are sent together. Returns the idle pair, its stats, and the number of data in each later call.
async fn reject_a_full_request(times: usize, failure: Failure) -> (Pair, Stats, Vec<usize>) {
    let sender = json!({ "max_series": 5_000 });
    let mut pair = Pair::start(Setup { sender, ..Setup::default() }).await;
    pair.cloudwatch.pause().await;
    // After three failures, calls are sent one at a time, and the request with the first value goes before the others.
    pair.send(ClientRequest::get("example.com", "/first")).await;
    eventually_counted(&pair, "calls to CloudWatch fail", |stats| stats["receiver.retried"] >= 3).await;
    send(&pair, 0..FULL).await;
    eventually_counted(&pair, "all values are received", |stats| stats["receiver.received"] == FULL + 1).await;
    // Wait until the data is due: after a publish interval, at the next tick of 200 ms.
    sleep(Duration::from_millis(1_500)).await;
    // CloudWatch rejects the request with one value as too large, so that the value is dropped.
    pair.cloudwatch.fail_next(1, Failure::new(413, "RequestEntityTooLarge"));
    pair.cloudwatch.fail_next(times, failure);
    pair.cloudwatch.resume().await.unwrap();

    let stats = pair.wait_until_idle(FULL + 1).await;
    assert_eq!(stats["receiver.dropped.rejected"], 1, "{stats:#?}");
    pair.envoy.assert_healthy();
    let calls: Vec<_> = pair.cloudwatch.calls().iter().map(|call| call.data).collect();
    assert_eq!(calls[..2], [1, FULL as usize], "{calls:?}");
    (pair, stats, calls[2..].to_vec())
}

/// Asserts that `stored` of the thousand values are stored once, and that the others were dropped as invalid.
fn assert_stored(pair: &Pair, stats: &Stats, stored: u64) {
    let counts = pair.stored();
    assert_eq!((counts.len() as u64, counts.values().sum::<u64>()), (stored, stored));
    let actual = (stats["receiver.published"], stats["receiver.dropped.invalid"]);
    assert_eq!(actual, (stored, FULL - stored), "{stats:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datum_that_the_error_names_is_dropped() {
    let bad = Failure::new(400, "InvalidParameterValue")
        .with_message("The parameter MetricData.member.501.Dimensions.member.2.Value must be printable.");
    let (pair, stats, calls) = reject_a_full_request(1, bad).await;
    assert_stored(&pair, &stats, 999);
    assert_eq!(calls, [999]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_datum_is_isolated_by_halving_and_sent_again() {
    let bad =
        Failure::new(400, "InvalidParameterCombination").with_message("At least one of the parameters must be set.");
    // Requests with 1000, 500, 250, 125, 62, 31, 15, 7, 3 and 1 data fail.
    let (pair, stats, calls) = reject_a_full_request(10, bad).await;
    // After others were accepted, the last datum is sent again, in case the failure had another cause; it is accepted.
    assert_stored(&pair, &stats, 1_000);
    assert_eq!(calls[..9], [500, 250, 125, 62, 31, 15, 7, 3, 1]);
    assert_eq!(calls[9..].iter().sum::<usize>(), 1_000, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_sent_in_halves() {
    let (pair, stats, calls) = reject_a_full_request(1, Failure::new(413, "RequestEntityTooLarge")).await;
    assert_stored(&pair, &stats, 1_000);
    assert_eq!(calls, [500, 500]);
}

/// Tests that data is held while CloudWatch rejects the credentials or the namespace, that `text` is logged once, and
/// that the data is delivered later.
async fn holds_data_until_accepted(text: &str, reject: impl Fn(&LocalCloudWatch)) {
    let mut pair = Pair::start(Setup::default()).await;
    let mut expected = send(&pair, 0..100).await;
    pair.wait_until_stored(100).await;
    reject(&pair.cloudwatch);
    expected.extend(send(&pair, 100..200).await);
    eventually_counted(&pair, "a call is denied", |stats| stats["receiver.denied"] >= 1).await;
    expected.extend(send(&pair, 200..300).await);
    eventually_counted(&pair, "both batches are held", |stats| stats["receiver.held"] == 200).await;
    pair.cloudwatch.set_keys(vec![Pair::key()]);
    eventually_counted(&pair, "the credentials are accepted", |stats| stats["receiver.published"] > 100).await;
    assert_eq!(pair.wait_until_stored(300).await, expected);
    let log = pair.envoy.log();
    assert_eq!(log.matches(text).count(), 1, "{log}");
    assert!(!log.contains("Canonical String"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_held_while_credentials_are_rejected_which_is_logged_once() {
    let unknown = |cloudwatch: &LocalCloudWatch| cloudwatch.set_keys(vec![AccessKey::new("other", "other")]);
    let expired = |cloudwatch: &LocalCloudWatch| {
        cloudwatch.set_keys(vec![Pair::key().with_expiry(UNIX_EPOCH)]);
    };
    let denied = |cloudwatch: &LocalCloudWatch| {
        let message =
            "User: arn:aws:iam::123456789012:user/local is not authorized to perform: cloudwatch:PutMetricData";
        cloudwatch.fail_next(1, Failure::new(403, "AccessDenied").with_message(message));
    };
    // Run the cases concurrently, because they mostly wait.
    tokio::join!(
        holds_data_until_accepted("CloudWatch rejected the credentials", unknown),
        holds_data_until_accepted("CloudWatch rejected the credentials", expired),
        holds_data_until_accepted("CloudWatch denied access to the namespace", denied)
    );
}

/// A proxy responds instead of CloudWatch, or the cluster temporarily leads to another server.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_from_another_server_neither_delivers_nor_loses_data() {
    let mut pair = Pair::start(Setup::default()).await;
    let page = "<html><head><title>Not Found</title></head></html>";
    for status in [200, 404, 403] {
        pair.cloudwatch
            .fail_next(1, Failure::foreign(status, page).with_header("date", "Sat, 22 Aug 2020 12:36:00 GMT"));
    }
    let expected = send(&pair, 0..100).await;
    assert_eq!(pair.wait_until_stored(100).await, expected);
    let stats = pair.wait_until_idle(100).await;
    assert_eq!((stats["receiver.foreign"], stats["receiver.published"]), (3, 100), "{stats:#?}");
    assert_eq!(stats["receiver.clock_skew_millisecond"], 0, "{stats:#?}");
    let log = pair.envoy.log();
    assert_eq!(log.matches("(no x-amzn-requestid)").count(), 1, "{log}");
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn values_beyond_the_buffer_limit_are_dropped_and_counted() {
    const LIMIT_BYTES: u64 = 65_536;
    let sender = json!({ "max_series": 10_000 });
    let receiver = json!({ "buffer_limit_bytes": LIMIT_BYTES });
    let mut pair = Pair::start(Setup { sender, receiver, ..Setup::default() }).await;
    pair.cloudwatch.pause().await;
    send(&pair, 0..3_000).await;
    let held = eventually_counted(&pair, "all values are received", |stats| stats["receiver.received"] == 3_000).await;
    assert!(held["receiver.held_bytes"] <= LIMIT_BYTES, "{held:#?}");
    assert!(held["receiver.dropped.buffer_full"] > 0, "{held:#?}");
    assert_eq!(held["receiver.held"] + held["receiver.dropped.buffer_full"], 3_000, "{held:#?}");
    pair.cloudwatch.resume().await.unwrap();
    let stats = pair.wait_until_idle(3_000).await;
    assert_eq!(stats["receiver.published"] + stats["receiver.dropped.buffer_full"], 3_000, "{stats:#?}");
    let stored = pair.stored();
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    assert_eq!(stored.len() as u64, stats["receiver.published"], "{stats:#?}");
    let log = pair.envoy.log();
    assert!(log.contains("values (buffer_full): buffer_limit_bytes is reached"), "{log}");
    pair.envoy.assert_healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_envoy_publishes_immediately() {
    let admin = TcpRelay::start().await;
    let setup = Setup {
        receiver: json!({ "publish_interval_millisecond": 3_600_000, "admin_cluster_name": "admin" }),
        clusters: vec![("admin", admin.address())],
        ..Setup::default()
    };
    let mut pair = Pair::start(setup).await;
    admin.set_target(pair.envoy.admin().address());
    let mut expected = send(&pair, 0..100).await;
    // The first data is published immediately; later data would wait for up to an hour.
    pair.wait_until_stored(100).await;
    expected.extend(send(&pair, 100..200).await);
    eventually_counted(&pair, "the second batch is held", |stats| stats["receiver.held"] == 100).await;

    pair.envoy.admin().post("/healthcheck/fail").await;
    let start = std::time::Instant::now();
    eventually_counted(&pair, "the second batch is published", |stats| stats["receiver.published"] == 200).await;
    let first = start.elapsed();
    expected.extend(send(&pair, 200..300).await);
    let start = std::time::Instant::now();
    eventually_counted(&pair, "the third batch is published", |stats| stats["receiver.published"] == 300).await;
    let second = start.elapsed();
    println!("published {first:?} after /healthcheck/fail, and {second:?} after the last request");
    // The receiver polls and publishes once per second. One more second allows for a busy machine.
    assert!(first < Duration::from_secs(4) && second < Duration::from_secs(3), "{first:?}, {second:?}");
    assert_eq!(pair.wait_until_stored(300).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_publishes_its_own_counters() {
    let receiver = json!({ "self_metrics": true });
    let mut pair = Pair::start(Setup { receiver, ..Setup::default() }).await;
    send(&pair, 0..100).await;
    pair.cloudwatch.fail_next(1, Failure::new(503, "ServiceUnavailable"));

    /// Returns the sum of each metric, and the number of values of all metrics.
    fn sums(cloudwatch: &LocalCloudWatch) -> (BTreeMap<String, f64>, f64) {
        let (mut sums, mut values) = (BTreeMap::new(), 0.0);
        for total in cloudwatch.totals(NAMESPACE) {
            let is_own = total.dimensions == BTreeMap::from([("component".to_owned(), "acpw".to_owned())]);
            assert_eq!(is_own, total.metric_name != "RequestCount", "{total:?}");
            *sums.entry(total.metric_name).or_default() += total.sum;
            values += total.count;
        }
        (sums, values)
    }

    eventually("the retry and all requests are published", LIMIT, async || {
        let (sums, _) = sums(&pair.cloudwatch);
        let of = |name: &str| sums.get(name).copied().unwrap_or_default();
        let is_met = of("RequestCount") == 100.0 && of("RequestsRetried") == 1.0 && of("ValuesPublished") > 100.0;
        if is_met { Ok(()) } else { Err(format!("{sums:?}")) }
    })
    .await;
    // Between publications, the stored values equal the counters.
    let actual = eventually("stored values equal the counters", LIMIT, async || {
        let stats = pair.envoy.admin().module_stats().await;
        let (sums, values) = sums(&pair.cloudwatch);
        let is_met = stats["receiver.published"] == values as u64;
        if is_met { Ok(sums) } else { Err(format!("{values}, {stats:#?}")) }
    })
    .await;
    let names: Vec<_> = actual.keys().map(String::as_str).collect();
    let own = ["RequestsRetried", "RequestsThrottled", "SecondsSinceSuccess", "ValuesDropped", "ValuesPublished"];
    assert_eq!(names, [&["HeldBytes", "RequestCount"], own.as_slice(), &["ValuesReceived"]].concat());
    assert_eq!((actual["RequestCount"], actual["ValuesDropped"], actual["RequestsThrottled"]), (100.0, 0.0, 0.0));
    pair.envoy.assert_healthy();
}

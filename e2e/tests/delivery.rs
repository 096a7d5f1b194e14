//! What CloudWatch stores and what is dropped add up to what was observed, value by value, whatever it answers.

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

use e2e::{Counts, NAMESPACE, Pair, Relay, Request, Setup, counts, eventually, load, series};
use local_cloudwatch::{AccessKey, DropPoint, Failure, LocalCloudWatch};
use serde_json::json;
use tokio::time::sleep;

/// Half a minute after CloudWatch has refused the credentials, they are tried again.
const LIMIT: Duration = Duration::from_secs(50);

type Stats = BTreeMap<String, u64>;

/// Requests for paths of their own, so that each is one value, one datum and one series.
async fn send(pair: &Pair, numbers: Range<u64>) -> Counts {
    let paths: Vec<_> = numbers.map(|n| format!("/{n}")).collect();
    let requests: Vec<_> = paths.iter().map(|path| Request::get("example.com", path)).collect();
    assert!(load(pair.address(), 4, requests).await.iter().all(|status| *status == 200));
    counts(paths.iter().map(|path| series("example.com", "GET", path, 200)))
}

async fn eventually_counted(pair: &Pair, what: &str, is_so: impl Fn(&Stats) -> bool) -> Stats {
    eventually(what, LIMIT, async || {
        let stats = pair.envoy.admin().acpw().await;
        if is_so(&stats) { Ok(stats) } else { Err(format!("{stats:#?}")) }
    })
    .await
}

/// Data of the calls that got this answer (none: the connection was reset), when they were stored or not.
fn data(cloudwatch: &LocalCloudWatch, status: Option<u16>, is_stored: bool) -> u64 {
    let calls = cloudwatch.calls();
    let those = calls.iter().filter(|call| call.status == status && call.is_stored == is_stored);
    those.map(|call| call.data as u64).sum()
}

/// Loses the answers of some calls, each as ordered, while requests come in; gives the statistics in the end.
async fn with_lost_answers(on_unknown_outcome: &str, orders: &[DropPoint]) -> (Pair, Stats) {
    let receiver = json!({ "on_unknown_outcome": on_unknown_outcome });
    let mut pair = Pair::start(Setup { receiver, ..Setup::default() }).await;
    send(&pair, 0..100).await;
    pair.settled(100).await;
    for (round, when) in (1..).zip(orders) {
        pair.cloudwatch.drop_next(1, *when);
        send(&pair, 100 * round..100 * (round + 1)).await;
        let stats = pair.at_rest(100 * (round + 1)).await;
        assert_eq!(stats["receiver.unknown_outcome"], round, "{stats:#?}");
    }
    pair.envoy.assert_sound();
    let stats = pair.envoy.admin().acpw().await;
    (pair, stats)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_after_a_lost_answer_counts_twice_and_is_told() {
    let (pair, stats) = with_lost_answers("retry", &[DropPoint::AfterStoring, DropPoint::BeforeStoring]).await;
    let twice = data(&pair.cloudwatch, None, true);
    assert!(twice > 0 && data(&pair.cloudwatch, None, false) > 0, "{:?}", pair.cloudwatch.calls());
    assert_eq!((stats["receiver.published"], stats["receiver.dropped.unknown_outcome"]), (300, 0), "{stats:#?}");
    let stored = pair.stored();
    assert_eq!((stored.len(), stored.values().sum::<u64>()), (300, 300 + twice));
    assert_eq!(stored.values().filter(|times| **times == 2).count() as u64, twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_after_a_lost_answer_counts_once_at_most_and_is_told() {
    let (pair, stats) = with_lost_answers("drop", &[DropPoint::AfterStoring, DropPoint::BeforeStoring]).await;
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
async fn data_have_the_time_of_cloudwatch_however_far_off_the_host_is() {
    let mut pair = Pair::start(Setup::default()).await;
    let mut expected = Counts::new();
    for (round, shift) in (0..).zip([2 * DAY, -2 * DAY, 0]) {
        pair.cloudwatch.shift_clock(shift);
        let sent = send(&pair, 100 * round..100 * (round + 1)).await;
        expected.extend(sent.clone());
        assert_eq!(pair.settled(100 * (round + 1)).await, expected);

        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + shift / 1_000;
        for total in pair.cloudwatch.totals(NAMESPACE) {
            let path = &total.dimensions["path"];
            if sent.contains_key(&series("example.com", "GET", path, 200)) {
                // Data of a minute are stamped with its start, and are moved by whole minutes.
                let ages: Vec<_> = total.buckets.iter().map(|bucket| now - bucket.timestamp).collect();
                assert!(ages.iter().all(|age| (-60..180).contains(age)), "{path} at {ages:?} s before {now}");
            }
        }
        let skew = pair.envoy.admin().acpw().await["receiver.clock_skew_millisecond"];
        assert!(skew.abs_diff(shift.unsigned_abs()) < 5_000, "{skew} instead of {shift}");
    }
    let refused = pair.cloudwatch.calls().iter().filter(|call| call.status == Some(400)).count();
    assert_eq!(refused, 6, "two signatures for each change: {:?}", pair.cloudwatch.calls());
}

const FULL: u64 = 1_000;

/// Has 1,000 series in one request, and orders what CloudWatch says to it, so many times. One value is dropped before, to
/// have those thousand wait together. Gives the pair at rest, its statistics, and how many data each call brought since.
async fn a_full_request_is_refused(times: usize, failure: Failure) -> (Pair, Stats, Vec<usize>) {
    let sender = json!({ "max_series": 5_000 });
    let mut pair = Pair::start(Setup { sender, ..Setup::default() }).await;
    pair.cloudwatch.pause().await;
    // From the third failure on there is one call at a time, and the first value's request goes before the others.
    pair.send(Request::get("example.com", "/first")).await;
    eventually_counted(&pair, "CloudWatch is not reached", |stats| stats["receiver.retried"] >= 3).await;
    send(&pair, 0..FULL).await;
    eventually_counted(&pair, "all is received", |stats| stats["receiver.received"] == FULL + 1).await;
    // Only time makes data due: an interval, by ticks of 200 ms.
    sleep(Duration::from_millis(1_500)).await;
    // The request of one value is too large, which costs that value.
    pair.cloudwatch.fail_next(1, Failure::new(413, "RequestEntityTooLarge"));
    pair.cloudwatch.fail_next(times, failure);
    pair.cloudwatch.resume().await.unwrap();

    let stats = pair.at_rest(FULL + 1).await;
    assert_eq!(stats["receiver.dropped.rejected"], 1, "{stats:#?}");
    pair.envoy.assert_sound();
    let calls: Vec<_> = pair.cloudwatch.calls().iter().map(|call| call.data).collect();
    assert_eq!(calls[..2], [1, FULL as usize], "{calls:?}");
    (pair, stats, calls[2..].to_vec())
}

/// So many of the thousand are stored, once each, and the others were dropped as invalid.
fn assert_stored(pair: &Pair, stats: &Stats, stored: u64) {
    let counts = pair.stored();
    assert_eq!((counts.len() as u64, counts.values().sum::<u64>()), (stored, stored));
    let told = (stats["receiver.published"], stats["receiver.dropped.invalid"]);
    assert_eq!(told, (stored, FULL - stored), "{stats:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_data_the_one_that_is_named_is_dropped() {
    let bad = Failure::new(400, "InvalidParameterValue")
        .with_message("The parameter MetricData.member.501.Dimensions.member.2.Value must be printable.");
    let (pair, stats, calls) = a_full_request_is_refused(1, bad).await;
    assert_stored(&pair, &stats, 999);
    assert_eq!(calls, [999]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_data_the_one_that_is_not_named_is_found_by_halving_and_sent_once_more() {
    let bad =
        Failure::new(400, "InvalidParameterCombination").with_message("At least one of the parameters must be set.");
    // 1000, 500, 250, 125, 62, 31, 15, 7, 3, and then the one alone.
    let (pair, stats, calls) = a_full_request_is_refused(10, bad).await;
    // Once others were accepted it is sent again, since it need not have been the data; this time it is accepted too.
    assert_stored(&pair, &stats, 1_000);
    assert_eq!(calls[..9], [500, 250, 125, 62, 31, 15, 7, 3, 1]);
    assert_eq!(calls[9..].iter().sum::<usize>(), 1_000, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_sent_in_halves() {
    let (pair, stats, calls) = a_full_request_is_refused(1, Failure::new(413, "RequestEntityTooLarge")).await;
    assert_stored(&pair, &stats, 1_000);
    assert_eq!(calls, [500, 500]);
}

/// Has CloudWatch refuse the credentials or the namespace for a while, as ordered; data are held, that is logged once with
/// this text, and then they are delivered.
async fn outlasts_a_refusal(text: &str, refuse: impl Fn(&LocalCloudWatch)) {
    let mut pair = Pair::start(Setup::default()).await;
    let mut expected = send(&pair, 0..100).await;
    pair.settled(100).await;
    refuse(&pair.cloudwatch);
    expected.extend(send(&pair, 100..200).await);
    eventually_counted(&pair, "the call is denied", |stats| stats["receiver.denied"] >= 1).await;
    expected.extend(send(&pair, 200..300).await);
    eventually_counted(&pair, "all is held", |stats| stats["receiver.held"] == 200).await;
    pair.cloudwatch.set_keys(vec![Pair::key()]);
    eventually_counted(&pair, "the credentials are accepted", |stats| stats["receiver.published"] > 100).await;
    assert_eq!(pair.settled(300).await, expected);
    let log = pair.envoy.log();
    assert_eq!(log.matches(text).count(), 1, "{log}");
    assert!(!log.contains("Canonical String"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_of_the_credentials_is_outlasted_and_told_once() {
    let unknown = |cloudwatch: &LocalCloudWatch| cloudwatch.set_keys(vec![AccessKey::new("other", "other")]);
    let expired = |cloudwatch: &LocalCloudWatch| {
        cloudwatch.set_keys(vec![Pair::key().with_expiry(UNIX_EPOCH)]);
    };
    let denied = |cloudwatch: &LocalCloudWatch| {
        let message =
            "User: arn:aws:iam::123456789012:user/local is not authorized to perform: cloudwatch:PutMetricData";
        cloudwatch.fail_next(1, Failure::new(403, "AccessDenied").with_message(message));
    };
    // Each of them waits most of the time.
    tokio::join!(
        outlasts_a_refusal("CloudWatch refuses the credentials", unknown),
        outlasts_a_refusal("CloudWatch refuses the credentials", expired),
        outlasts_a_refusal("CloudWatch refuses data of the namespace", denied)
    );
}

/// A proxy answers in CloudWatch's stead, or the cluster leads to another server for a while.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_cloudwatchs_own_neither_delivers_nor_costs_data() {
    let mut pair = Pair::start(Setup::default()).await;
    let page = "<html><head><title>Not Found</title></head></html>";
    for status in [200, 404, 403] {
        pair.cloudwatch
            .fail_next(1, Failure::foreign(status, page).with_header("date", "Sat, 22 Aug 2020 12:36:00 GMT"));
    }
    let expected = send(&pair, 0..100).await;
    assert_eq!(pair.settled(100).await, expected);
    let stats = pair.at_rest(100).await;
    assert_eq!((stats["receiver.foreign"], stats["receiver.published"]), (3, 100), "{stats:#?}");
    assert_eq!(stats["receiver.clock_skew_millisecond"], 0, "{stats:#?}");
    let log = pair.envoy.log();
    assert_eq!(log.matches("but not as CloudWatch does (no x-amzn-requestid)").count(), 1, "{log}");
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_buffer_cannot_take_in_an_outage_is_dropped_and_counted() {
    const LIMIT_BYTES: u64 = 65_536;
    let sender = json!({ "max_series": 10_000 });
    let receiver = json!({ "buffer_limit_bytes": LIMIT_BYTES });
    let mut pair = Pair::start(Setup { sender, receiver, ..Setup::default() }).await;
    pair.cloudwatch.pause().await;
    send(&pair, 0..3_000).await;
    let held = eventually_counted(&pair, "all is received", |stats| stats["receiver.received"] == 3_000).await;
    assert!(held["receiver.held_bytes"] <= LIMIT_BYTES, "{held:#?}");
    assert!(held["receiver.dropped.buffer_full"] > 0, "{held:#?}");
    assert_eq!(held["receiver.held"] + held["receiver.dropped.buffer_full"], 3_000, "{held:#?}");
    pair.cloudwatch.resume().await.unwrap();
    let stats = pair.at_rest(3_000).await;
    assert_eq!(stats["receiver.published"] + stats["receiver.dropped.buffer_full"], 3_000, "{stats:#?}");
    let stored = pair.stored();
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    assert_eq!(stored.len() as u64, stats["receiver.published"], "{stats:#?}");
    let log = pair.envoy.log();
    assert!(log.contains("values (buffer_full): buffer_limit_bytes is reached"), "{log}");
    pair.envoy.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_drains_publishes_at_once() {
    let admin = Relay::start().await;
    let setup = Setup {
        receiver: json!({ "publish_interval_millisecond": 3_600_000, "admin_cluster_name": "admin" }),
        clusters: vec![("admin", admin.address())],
        ..Setup::default()
    };
    let mut pair = Pair::start(setup).await;
    admin.lead_to(pair.envoy.admin().address());
    let mut expected = send(&pair, 0..100).await;
    // The first data go out soon, and the next would in up to an hour.
    pair.settled(100).await;
    expected.extend(send(&pair, 100..200).await);
    eventually_counted(&pair, "the rest is held", |stats| stats["receiver.held"] == 100).await;

    pair.envoy.admin().post("/healthcheck/fail").await;
    let start = std::time::Instant::now();
    eventually_counted(&pair, "the rest is published", |stats| stats["receiver.published"] == 200).await;
    let first = start.elapsed();
    expected.extend(send(&pair, 200..300).await);
    let start = std::time::Instant::now();
    eventually_counted(&pair, "what came since is published", |stats| stats["receiver.published"] == 300).await;
    let second = start.elapsed();
    println!("published {first:?} after /healthcheck/fail, and {second:?} after the last request");
    // Asked once a second, published once a second, and a second for a machine that runs other tests too.
    assert!(first < Duration::from_secs(4) && second < Duration::from_secs(3), "{first:?}, {second:?}");
    assert_eq!(pair.settled(300).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_publishes_its_own_counters() {
    let receiver = json!({ "self_metrics": true });
    let mut pair = Pair::start(Setup { receiver, ..Setup::default() }).await;
    send(&pair, 0..100).await;
    pair.cloudwatch.fail_next(1, Failure::new(503, "ServiceUnavailable"));

    /// Sums of the metrics by name, and how many values all of them carry.
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

    eventually("the retry and all requests are told", LIMIT, async || {
        let (sums, _) = sums(&pair.cloudwatch);
        let of = |name: &str| sums.get(name).copied().unwrap_or_default();
        let is_so = of("RequestCount") == 100.0 && of("RequestsRetried") == 1.0 && of("ValuesPublished") > 100.0;
        if is_so { Ok(()) } else { Err(format!("{sums:?}")) }
    })
    .await;
    // The rest of the time nothing is under way; then both sides tell the same.
    let told = eventually("what is stored is what is counted", LIMIT, async || {
        let stats = pair.envoy.admin().acpw().await;
        let (sums, values) = sums(&pair.cloudwatch);
        let is_so = stats["receiver.published"] == values as u64;
        if is_so { Ok(sums) } else { Err(format!("{values}, {stats:#?}")) }
    })
    .await;
    let names: Vec<_> = told.keys().map(String::as_str).collect();
    let own = ["RequestsRetried", "RequestsThrottled", "SecondsSinceSuccess", "ValuesDropped", "ValuesPublished"];
    assert_eq!(names, [&["HeldBytes", "RequestCount"], own.as_slice(), &["ValuesReceived"]].concat());
    assert_eq!((told["RequestCount"], told["ValuesDropped"], told["RequestsThrottled"]), (100.0, 0.0, 0.0));
    pair.envoy.assert_sound();
}

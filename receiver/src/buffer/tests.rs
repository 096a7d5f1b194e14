//! Tests the path of data through a buffer.

use acpw_metric::{
    Accumulator, DimensionName, DimensionValue, Dimensions, Distribution, Metric, MetricName, Namespace,
    StorageResolution, Timestamp, Unit,
};

use super::*;
use crate::{payload::Draft, waiting::WaitingBody};

fn names() -> Names {
    Names { namespace: Namespace::new("Ours").unwrap(), request_count: MetricName::new("Requests").unwrap() }
}

fn buffer() -> Buffer {
    Buffer::new(names(), 1 << 28, SeriesBudget::new(None))
}

fn add(buffer: &mut Buffer, data: Accumulator) {
    buffer.add(data);
    buffer.release();
}

fn data(series: usize, namespace: Option<&str>) -> Accumulator {
    let mut data = Accumulator::default();
    let metric = |name| Metric {
        name: MetricName::new(name).unwrap(),
        unit: Unit::COUNT,
        resolution: StorageResolution::Standard,
    };
    let mut distribution = Distribution::new();
    distribution.record_n(1.0, 3);
    for n in 0..series {
        let value = DimensionValue::new(&n.to_string()).unwrap();
        let dimensions = Dimensions::new(vec![(DimensionName::new("n").unwrap(), value)]).unwrap();
        let namespace = namespace.map(|name| Namespace::new(name).unwrap());
        let since = Timestamp::from_secs(1_787_402_160);
        for metric in [metric("RequestCount"), metric("4XXError")] {
            data.add(since, namespace.clone(), &dimensions, &metric, &distribution);
        }
    }
    data
}

fn next_draft(buffer: &mut Buffer, mut budget: usize) -> Option<Draft> {
    buffer.merge_due(&mut usize::MAX.clone());
    let id = buffer.lanes().next(Duration::ZERO)?;
    let mut cardinality = Cardinality::default();
    let work = EncodingBudget { budget: &mut budget, cardinality: &mut cardinality, now: Duration::ZERO };
    match buffer.next_to_send(id, 0, work)?.body {
        WaitingBody::Draft(draft) => Some(draft),
        WaitingBody::Payload(payload) => panic!("{payload:?}"),
    }
}

fn payloads(buffer: &mut Buffer) -> Vec<serde_json::Value> {
    std::iter::from_fn(|| next_draft(buffer, usize::MAX))
        .map(|draft| draft.seal(&mut usize::MAX.clone()).unwrap())
        .map(|payload| serde_json::from_slice(&payload.raw().unwrap()).unwrap())
        .collect()
}

#[test]
fn all_data_is_packed_and_counted_once() {
    for (series, expected) in [(0, 0), (1, 1), (499, 1), (500, 1), (501, 2), (1_000, 2), (1_001, 3)] {
        let mut buffer = buffer();
        add(&mut buffer, data(series, None));
        let held = buffer.samples();
        assert_eq!(held, 6 * series as u64);
        let mut packed = 0;
        let mut count = 0;
        while let Some(payload) = next_draft(&mut buffer, usize::MAX) {
            packed += payload.samples();
            count += 1;
            assert_eq!(buffer.samples(), held - packed);
        }
        assert_eq!((packed, count, !buffer.has_due()), (held, expected, true));
    }
}

#[test]
fn data_is_held_while_it_is_encoded_in_several_steps() {
    let mut buffer = buffer();
    add(&mut buffer, data(1_000, None));
    let (held, bytes) = (buffer.samples(), buffer.bytes());
    let mut steps = 0;
    while next_draft(&mut buffer, 10_000).is_none() {
        steps += 1;
        assert_eq!(buffer.samples(), held);
        assert!(buffer.has_due() && buffer.bytes() <= bytes);
    }
    assert!((5..50).contains(&steps), "{steps}");
    assert_eq!(buffer.samples(), held / 2);
}

#[test]
fn a_payload_has_one_namespace_and_only_the_default_one_renames_request_count() {
    let mut buffer = buffer();
    add(&mut buffer, data(1, None));
    add(&mut buffer, data(1, Some("Theirs")));
    let payloads = payloads(&mut buffer);
    let packed: Vec<_> = payloads
        .iter()
        .map(|payload| {
            let mut names: Vec<_> = payload["MetricData"].as_array().unwrap().iter().collect();
            names.sort_by_key(|datum| datum["MetricName"].to_string());
            let names: Vec<_> = names.iter().map(|datum| datum["MetricName"].as_str().unwrap()).collect();
            (payload["Namespace"].as_str().unwrap(), names)
        })
        .collect();
    assert_eq!(packed, [("Ours", vec!["4XXError", "Requests"]), ("Theirs", vec!["4XXError", "RequestCount"])]);
}

#[test]
fn later_data_is_held_at_once_and_merged_in_steps() {
    let mut buffer = buffer();
    add(&mut buffer, data(100, None));
    let (samples, series, bytes) = (buffer.samples(), buffer.series(), buffer.bytes());
    add(&mut buffer, data(100, None));
    add(&mut buffer, data(100, None));
    assert_eq!((buffer.samples(), buffer.series()), (3 * samples, 3 * series));
    // Each of the later data takes a step for each of its groups, and the last one waits for the other.
    for _ in 0..201 {
        assert_eq!(buffer.samples(), 3 * samples);
        buffer.merge_due(&mut 1);
    }
    assert_eq!((buffer.samples(), buffer.series(), buffer.bytes()), (3 * samples, series, bytes));
    add(&mut buffer, data(7, None));
    let mut dropped = 0;
    for lane in buffer.lanes_mut().iter_mut() {
        while let Some(samples) = lane.drop_oldest() {
            dropped += samples;
        }
    }
    assert_eq!(dropped, 3 * samples + 42);
    buffer.merge_due(&mut usize::MAX.clone());
    assert!(!buffer.has_due());
}

#[test]
fn merging_ends_even_if_data_arrives_faster_than_it_is_merged() {
    let mut buffer = buffer();
    add(&mut buffer, data(100, None));
    add(&mut buffer, data(100, None));
    let is_merged = |buffer: &mut Buffer| {
        let mut budget = 1_000;
        buffer.merge_due(&mut budget);
        budget == 1_000
    };
    let rounds = (0..100).take_while(|_| {
        buffer.add(data(100, None));
        !is_merged(&mut buffer)
    });
    assert_eq!(rounds.count(), 8);
    assert!(buffer.has_pending());
    // The same holds if the next publication is due in the meantime.
    buffer.release();
    buffer.add(data(100, None));
    buffer.release();
    let rounds = (0..100).take_while(|_| {
        buffer.add(data(100, None));
        !is_merged(&mut buffer)
    });
    assert!((9..=16).contains(&rounds.count()));
}

#[test]
fn later_data_is_merged_into_due_data() {
    let mut buffer = buffer();
    add(&mut buffer, data(1, None));
    add(&mut buffer, data(1, None));
    buffer.merge_due(&mut usize::MAX.clone());
    let payloads = payloads(&mut buffer);
    assert_eq!(payloads.len(), 1);
    assert_eq!(payloads[0]["MetricData"][0]["Counts"], serde_json::json!([6]));
}

#[test]
fn more_values_than_fit_into_a_datum_are_split_into_several() {
    let name = MetricName::new("Latency").unwrap();
    let metric = Metric { name, unit: Unit::MILLISECONDS, resolution: StorageResolution::Standard };
    for (values, expected) in [(149, 1), (150, 1), (151, 2), (450, 3)] {
        let mut exact = Distribution::exact(1_000);
        (0..values).for_each(|n| assert!(exact.record_n(f64::from(n), 2)));
        let mut held = Accumulator::default();
        held.add(Timestamp::from_secs(1_787_402_160), None, &Dimensions::default(), &metric, &exact);
        let mut buffer = buffer();
        add(&mut buffer, held);
        let payloads = payloads(&mut buffer);
        let data = payloads[0]["MetricData"].as_array().unwrap();
        assert_eq!(data.len(), expected);
        let sum = |key: &str| data.iter().map(|datum| datum[key].as_array().unwrap().len()).sum::<usize>();
        assert_eq!((sum("Values"), sum("Counts")), (values as usize, values as usize));
        assert!(data.iter().all(|datum| datum.get("StatisticValues").is_none()));
    }
}

#[test]
fn shifted_data_have_shifted_timestamps() {
    let mut buffer = buffer();
    add(&mut buffer, data(1, None));
    buffer.shift(-120_000);
    assert_eq!(payloads(&mut buffer)[0]["MetricData"][0]["Timestamp"], 1_787_402_040);
}

#[test]
fn only_lanes_above_their_share_lose_data() {
    let mut buffer = buffer();
    add(&mut buffer, data(10, None));
    add(&mut buffer, data(1_000, Some("Theirs")));
    buffer.merge_due(&mut usize::MAX.clone());
    let small = 6 * 10;
    buffer.limit = buffer.bytes() / 2;
    let before = buffer.samples();
    let dropped = buffer.keep_within_limit(0, Timestamp::from_secs(1_787_402_160));
    assert!(buffer.bytes() <= buffer.limit && dropped > 0);
    assert_eq!(buffer.samples() + dropped, before);
    let lane = buffer.lanes_mut().get_or_create(&names().namespace, None).unwrap();
    assert_eq!(lane.queue().samples(), small);
}

//! Requests of known series do not allocate.

use allocation_counter::measure;
use scenes::{FULL, HostMatching, SEED, UNMATCHED, Worker, at};

const HOSTS: [&[u8]; 4] = [b"bench.example.com", b"Any.Example.Org:8080", b"unknown.example.com", b"\xff"];

fn requests(worker: &mut Worker, times: usize) {
    for request in 0..times {
        let (path, route) = if request % 2 == 0 { ("/test", "main") } else { ("/other?query", "other") };
        worker.request(path.as_bytes(), route.as_bytes(), 1_000_000 + request as i64 * 1_000);
    }
}

/// Returns the number of allocations, without those for the headers and attributes that the SDK would make.
fn allocations(worker: &mut Worker, times: usize) -> u64 {
    let before = worker.returned();
    let allocations = measure(|| requests(worker, times)).count_total;
    allocations - (worker.returned() - before)
}

#[test]
fn a_request_of_a_known_series_does_not_allocate() {
    for configuration in [SEED, FULL, UNMATCHED] {
        let mut worker = Worker::new(configuration, at(0));
        // Afterwards, the distributions have all buckets that these values need.
        requests(&mut worker, 20_000);
        assert_eq!(allocations(&mut worker, 10_000), 0, "{configuration}");
    }
}

#[test]
fn a_new_series_allocates() {
    let mut worker = Worker::new(SEED, at(0));
    requests(&mut worker, 100);
    let before = worker.returned();
    let allocations = measure(|| _ = worker.request(b"/new", b"main", 1_000_000)).count_total;
    assert!(allocations > worker.returned() - before);
}

#[test]
fn a_request_of_a_known_series_does_not_allocate_after_a_flush() {
    let mut worker = Worker::new(FULL, at(0));
    requests(&mut worker, 20_000);
    worker.flush(at(1_000));
    assert_eq!(allocations(&mut worker, 10_000), 0);
}

#[test]
fn matching_a_host_does_not_allocate() {
    let mut matching = HostMatching::default();
    HOSTS.iter().for_each(|host| _ = matching.matches(host));
    let matched = measure(|| HOSTS.iter().for_each(|host| _ = matching.matches(host)));
    assert_eq!(matched.count_total, 0);
}

//! Measures the native run time of each scene: `cargo bench -p scenes`.

#![allow(missing_docs, reason = "the names of the benchmarks describe them")]

use divan::{Bencher, black_box, counter::BytesCount};
use scenes::{
    FULL, HOST, HostMatching, LoadShape, PayloadEncoding, PayloadSigning, Publication, SEED, Worker, at, records,
};

fn main() {
    divan::main();
}

/// One second of a sender with the full set and ten routes.
const SHAPE: LoadShape = LoadShape { senders: 1, configuration: FULL, paths: 10, is_shared: true, requests: 2_000 };

#[divan::bench(args = [HOST, "any.example.org", "unknown.example.com"])]
fn match_host(bencher: Bencher<'_, '_>, host: &str) {
    let mut matching = HostMatching::default();
    bencher.bench_local(|| matching.matches(black_box(host.as_bytes())));
}

#[divan::bench(args = ["seed", "full"])]
fn record_request(bencher: Bencher<'_, '_>, name: &str) {
    let configuration = if name == "seed" { SEED } else { FULL };
    let mut worker = Worker::new(configuration, at(0));
    bencher.bench_local(|| worker.request(black_box(b"/test"), b"main", 20_000_000));
}

#[divan::bench]
fn merge_record(bencher: Bencher<'_, '_>) {
    let records = records(SHAPE, at(0));
    let mut publication = Publication::default();
    bencher.bench_local(|| publication.merge(black_box(&records)));
}

#[divan::bench]
fn encode_1000_data(bencher: Bencher<'_, '_>) {
    let encoding = PayloadEncoding::new(LoadShape { configuration: SEED, paths: 1_000, ..SHAPE });
    bencher.bench_local(|| black_box(encoding.encode()));
}

#[divan::bench(args = [500, 100_000])]
fn sign(bencher: Bencher<'_, '_>, bytes: usize) {
    let mut signing = PayloadSigning::new(bytes);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| black_box(signing.sign()));
}

//! How long each scene takes, natively: `cargo bench -p scenes`.

#![allow(missing_docs, reason = "the benchmarks' names say what they are")]

use divan::{Bencher, black_box, counter::BytesCount};
use scenes::{Encoding, FULL, HOST, Matching, Publication, SEED, Shape, Signing, Worker, at, records};

fn main() {
    divan::main();
}

/// A sender's record of one second under the full set: ten routes.
const SHAPE: Shape = Shape { senders: 1, configuration: FULL, paths: 10, is_shared: true, requests: 2_000 };

#[divan::bench(args = [HOST, "any.example.org", "unknown.example.com"])]
fn match_host(bencher: Bencher<'_, '_>, host: &str) {
    let mut matching = Matching::default();
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
    let encoding = Encoding::new(Shape { configuration: SEED, paths: 1_000, ..SHAPE });
    bencher.bench_local(|| black_box(encoding.encode()));
}

#[divan::bench(args = [500, 100_000])]
fn sign(bencher: Bencher<'_, '_>, bytes: usize) {
    let mut signing = Signing::new(bytes);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| black_box(signing.sign()));
}

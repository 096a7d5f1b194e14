//! CPU per request.
use std::{fs::File, time::Duration};

use clap::Args;
use local_cloudwatch::{LocalCloudWatch, Options as CloudWatchOptions};
use serde_json::json;

use crate::{
    bootstrap::{HOST, bootstrap},
    cpu::Places,
    envoy::{Envoy, Start, root},
    load::load,
    variant::VARIANTS,
};

#[derive(Args, Debug)]
pub(crate) struct Options {
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 2)]
    seconds: u64,
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 11)]
    rounds: usize,
    #[arg(long, env = "BENCH_ONLY", default_value = "")]
    only: String,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let cloudwatch =
        runtime.block_on(LocalCloudWatch::start(CloudWatchOptions::default())).map_err(|error| error.to_string())?;
    let places = Places::new()?;
    let variants: Vec<_> = VARIANTS.iter().filter(|v| v.name.contains(&options.only)).collect();
    let mut envoys = Vec::new();
    for variant in &variants {
        let bootstrap = bootstrap(variant, cloudwatch.address());
        let start = Start { bootstrap: &bootstrap, workers: 1, arguments: &["--log-level", "error"] };
        envoys.push(Envoy::start(&start, &places)?);
    }
    let mut all = vec![Vec::new(); variants.len()];
    for (variant, envoy) in variants.iter().zip(&envoys) {
        load(envoy.address()?, HOST, 1, &places).map_err(|error| format!("{}: {error}", variant.name))?;
    }
    for round in 0..options.rounds {
        for at in 0..variants.len() {
            let at = (at + round * 7) % variants.len();
            let envoy = &envoys[at];
            let before = envoy.cpu()?;
            let load = load(envoy.address()?, HOST, options.seconds, &places)?;
            let used = envoy.cpu()?.saturating_sub(before);
            let each = used.as_nanos() as f64 / 1e3 / load.requests as f64;
            all[at].push(each);
            let _ = File::options().write(true).open(envoy.folder().join("access.log")).map(|f| f.set_len(0));
        }
    }
    for (variant, values) in variants.iter().zip(&all) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        println!("{:30} {:8.2}  {:?}", variant.name, sorted[sorted.len() / 2], values.iter().map(|v| (v * 10.0).round() / 10.0).collect::<Vec<_>>());
    }
    let _ = std::fs::write(root().join("bench/results/request.json"), json!(all).to_string());

    let _ = Duration::ZERO;
    Ok(())
}

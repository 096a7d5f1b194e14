//! One measured size.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::{
    cpu,
    envoy::{Envoy, pause},
    footprint::resident_bytes,
    receiver::is_of_receiver,
    scale::{INTERVAL, WARM_UP, scene::Scene},
    statistics::median,
    trace::callbacks,
};

/// The time limit for the publication of all data.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(180);

/// The time between two looks at what CloudWatch has stored.
const POLL: Duration = Duration::from_millis(100);

/// The measurements of one size.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Point {
    /// The size: the number of series or workers, or a rate.
    pub(super) size: u64,
    /// The CPU time of the main thread in milliseconds: of a second in the best window, or in total.
    pub(super) main: f64,
    /// The CPU time of all threads in milliseconds: of a second in the best window, or in total.
    pub(super) process: f64,
    /// The main thread's CPU time in the worst window as a multiple of the best.
    pub(super) noise: f64,
    /// The resident memory in bytes at the end.
    pub(super) resident: u64,
    /// The longest callback of the receiver in milliseconds. Under continuous load, it is the longest turn of the main
    /// thread's event loop in a window, as the median of the windows, because a trace would change what it measures.
    pub(super) longest: f64,
    /// The bytes of a publication's bodies as sent.
    pub(super) bytes: f64,
    /// The data of a publication.
    pub(super) data: f64,
    /// The answered requests a second.
    pub(super) requests: f64,
}

impl Point {
    /// Returns the lower figures of two measurements of the same.
    pub(super) fn min(self, other: Self) -> Self {
        Self {
            size: self.size,
            main: self.main.min(other.main),
            process: self.process.min(other.process),
            noise: self.noise.min(other.noise),
            resident: self.resident.min(other.resident),
            longest: self.longest.min(other.longest),
            bytes: self.bytes.min(other.bytes),
            data: self.data.min(other.data),
            requests: self.requests.min(other.requests),
        }
    }

    /// Measures an Envoy for a number of windows.
    ///
    /// # Errors
    /// Returns an error if Envoy has ended, nothing was published, or a request failed.
    pub(super) fn measure(size: u64, scene: &Scene, windows: u32) -> Result<Self, String> {
        let Scene { envoy, cloudwatch, load, .. } = scene;
        pause(WARM_UP);
        let answered = || load.as_ref().map_or(0, super::paced_load::PacedLoad::successful);
        let (first_call, first_request) = (cloudwatch.server().calls().len(), answered());
        let (mut main, mut process, mut longest) = (Vec::new(), Vec::new(), Vec::new());
        let seconds = INTERVAL.as_secs_f64();
        for _ in 0..windows {
            let before = (cpu::of_main_thread(envoy.id())?, envoy.cpu()?);
            pause(INTERVAL);
            let used = (cpu::of_main_thread(envoy.id())?, envoy.cpu()?);
            main.push(used.0.saturating_sub(before.0).as_secs_f64() * 1e3 / seconds);
            process.push(used.1.saturating_sub(before.1).as_secs_f64() * 1e3 / seconds);
            longest.extend(longest_turn(envoy)?);
        }
        let requests = answered().saturating_sub(first_request) as f64 / seconds / f64::from(windows);
        let other = load.as_ref().map_or(0, super::paced_load::PacedLoad::other);
        if other > 0 {
            return Err(format!("{other} requests were not answered with 2xx\n{}", envoy.log()));
        }
        let calls = cloudwatch.server().calls();
        let calls = || calls.iter().skip(first_call).filter(|call| call.is_stored);
        if calls().count() == 0 {
            let stats = envoy.page("/stats?filter=acpw.receiver|downstream_cx|downstream_rq").unwrap_or_default();
            return Err(format!("nothing was published\n{}\n{stats}", envoy.log()));
        }
        let lowest = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = main.iter().copied().fold(0.0, f64::max);
        Ok(Self {
            size,
            main: lowest(&main),
            process: lowest(&process),
            noise: highest / lowest(&main),
            resident: resident_bytes(envoy.id())?,
            longest: median(&longest),
            bytes: calls().map(|call| call.body_bytes).sum::<usize>() as f64 / f64::from(windows),
            data: calls().map(|call| call.data).sum::<usize>() as f64 / f64::from(windows),
            requests,
        })
    }
    /// Measures the work of publishing all data once, from the start of Envoy until CloudWatch has stored `size` data.
    ///
    /// # Errors
    /// Returns an error if Envoy has ended, or if the data is not stored in time.
    pub(super) fn measure_once(size: u64, scene: &Scene) -> Result<Self, String> {
        let Scene { envoy, cloudwatch, .. } = scene;
        let stored = || {
            let calls = cloudwatch.server().calls().into_iter().filter(|call| call.is_stored);
            calls.fold((0, 0), |(data, bytes): (usize, usize), call| {
                (data.saturating_add(call.data), bytes.saturating_add(call.body_bytes))
            })
        };
        let start = Instant::now();
        let before = (cpu::of_main_thread(envoy.id())?, envoy.cpu()?);
        while (stored().0 as u64) < size {
            if start.elapsed() > PUBLISHED_WITHIN {
                return Err(format!("only {} of {size} data were stored\n{}", stored().0, envoy.log()));
            }
            pause(POLL);
        }
        let used = (cpu::of_main_thread(envoy.id())?, envoy.cpu()?);
        let milliseconds = |used: Duration, before: Duration| used.saturating_sub(before).as_secs_f64() * 1e3;
        let (data, bytes) = stored();
        Ok(Self {
            size,
            main: milliseconds(used.0, before.0),
            process: milliseconds(used.1, before.1),
            noise: 1.0,
            resident: resident_bytes(envoy.id())?,
            longest: callbacks(&envoy.log())
                .iter()
                .filter(|callback| is_of_receiver(callback))
                .map(|callback| callback.time.as_secs_f64() * 1e3)
                .fold(0.0, f64::max),
            bytes: bytes as f64,
            data: data as f64,
            requests: 0.0,
        })
    }
}

/// Returns the longest turn of the main thread's event loop in milliseconds, in Envoy's last interval of statistics.
fn longest_turn(envoy: &Envoy) -> Result<Option<f64>, String> {
    let page = envoy.page("/stats?format=json&filter=^server.dispatcher.loop_duration_us$")?;
    let page: Value = serde_json::from_str(&page).map_err(|error| format!("Envoy's histograms: {error}"))?;
    let histograms = page.pointer("/stats/0/histograms").ok_or("Envoy has no histogram of its event loop")?;
    let quantiles = histograms.pointer("/supported_quantiles").and_then(Value::as_array);
    let last = quantiles.map_or(0, Vec::len).saturating_sub(1);
    let longest = histograms.pointer(&format!("/computed_quantiles/0/values/{last}/interval"));
    Ok(longest.and_then(Value::as_f64).map(|microseconds| microseconds / 1e3))
}

//! Measures growth on one machine: series, workers, scraped series and posts.

mod paced_load;
mod page_server;
mod point;
mod scene;

use std::{fs, time::Duration};

use clap::Args;
use plot::{Axis, Chart, Panel};
use serde::Serialize;

use crate::{cpu::CpuLayout, document, envoy, results, table::table};
use point::Point;
use scene::Scene;

/// The interval of publication, and the duration of a window.
const INTERVAL: Duration = Duration::from_secs(5);

/// The time in which V8 recompiles hot code and the memory settles.
const WARM_UP: Duration = Duration::from_secs(10);

/// The number of measurements of one publication. The lowest figures count, because other work only adds to them.
const RUNS: usize = 3;

const SERIES: [u64; 4] = [100, 1_000, 10_000, 100_000];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Number of windows of 5 seconds for each size
    #[arg(long, env = "SCALE_WINDOWS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    windows: u32,

    /// Measure and print only this: `series`, `series by OTLP`, `workers`, `scraped series` or `posts a second`
    #[arg(long)]
    only: Option<String>,
}

/// One dimension of growth.
struct Dimension {
    /// The name of the size, as the head of the table and the label of the axis.
    name: &'static str,
    sizes: &'static [u64],
    start: fn(u64, &CpuLayout) -> Result<Scene, String>,
    work: Work,
}

/// The work that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// One publication of everything.
    Once,
    /// A second of continuous load.
    Second,
}

const DIMENSIONS: [Dimension; 5] = [
    Dimension { name: "series", sizes: &SERIES, start: scene::of_series, work: Work::Once },
    Dimension { name: "series by OTLP", sizes: &SERIES, start: scene::of_series_by_otlp, work: Work::Once },
    Dimension { name: "workers", sizes: &[1, 2, 4, 8, 16, 32], start: scene::of_workers, work: Work::Second },
    Dimension { name: "scraped series", sizes: &[10, 100, 1_000], start: scene::of_scraped, work: Work::Second },
    Dimension {
        name: "posts a second",
        sizes: &[1, 100, 1_000, 10_000, 20_000],
        start: scene::of_posts,
        work: Work::Second,
    },
];

/// The results of a run.
#[derive(Debug, Serialize)]
struct Run {
    machine: String,
    dimensions: Vec<(&'static str, Vec<Point>)>,
}

/// Measures all sizes, prints tables, and updates results, chart and documentation.
///
/// # Errors
/// Returns an error if a program does not run or data are missing.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let layout = CpuLayout::new()?;
    let mut run = Run { machine: results::machine(), dimensions: Vec::new() };
    let is_chosen = |dimension: &&Dimension| options.only.as_ref().is_none_or(|name| name == dimension.name);
    for dimension in DIMENSIONS.iter().filter(is_chosen) {
        let mut points = Vec::new();
        for size in dimension.sizes {
            let start = || (dimension.start)(*size, &layout);
            points.push(match dimension.work {
                Work::Once => {
                    let run = || Point::measure_once(*size, &start()?);
                    (1..RUNS).try_fold(run()?, |lowest, _| Ok::<_, String>(lowest.min(run()?)))?
                }
                Work::Second => Point::measure(*size, &start()?, options.windows)?,
            });
        }
        println!("{}", text(dimension, &points));
        run.dimensions.push((dimension.name, points));
    }
    if options.only.is_some() {
        return Ok(());
    }
    results::write("scale", &run)?;
    let tables: Vec<_> =
        DIMENSIONS.iter().zip(&run.dimensions).map(|(dimension, (_, points))| text(dimension, points)).collect();
    document::replace("scale", &tables.join("\n"))?;
    let file = envoy::root().join("docs/scale.svg");
    fs::write(&file, chart(&run).to_svg()?).map_err(|error| format!("{}: {error}", file.display()))
}

fn text(dimension: &Dimension, points: &[Point]) -> String {
    let rows = points.iter().map(|point| {
        vec![
            point.size.to_string(),
            format!("{:.1}", point.main),
            format!("{:.1}", point.noise),
            format!("{:.0}", point.process),
            format!("{:.1}", point.resident as f64 / 1e6),
            format!("{:.1}", point.longest),
            format!("{:.0}", point.data),
            format!("{:.0}", point.bytes),
            if point.requests > 0.0 { format!("{:.0}", point.requests) } else { String::new() },
        ]
    });
    let [main, all] = match dimension.work {
        Work::Once => ["main ms", "all ms"],
        Work::Second => ["main ms/s", "all ms/s"],
    };
    let head = [dimension.name, main, "noise", all, "MB", "longest ms", "data", "bytes", "requests/s"];
    table(&head, rows)
}

fn chart(run: &Run) -> Chart {
    type Value = fn(&Point) -> f64;
    let title = "Growth on one machine";
    let values: [(&str, &str, Value); 3] = [
        ("CPU of Envoy's main thread", "ms", |point| point.main),
        ("resident memory", "MB", |point| point.resident as f64 / 1e6),
        ("bytes of a publication", "bytes", |point| point.bytes),
    ];
    run.dimensions.iter().fold(Chart::new(title, values.len()), |chart, (name, points)| {
        values.iter().fold(chart, |chart, (title, unit, value)| {
            let y = if *unit == "MB" { Axis::linear(unit) } else { Axis::logarithmic(unit) };
            let points = points.iter().map(|point| (point.size as f64, value(point)));
            chart.panel(Panel::new(title, Axis::logarithmic(name), y).line("", points).with_points())
        })
    })
}

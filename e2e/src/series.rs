//! Request counts by series.

use std::collections::BTreeMap;

use local_cloudwatch::LocalCloudWatch;

/// The dimensions of the metric RequestCount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestSeries {
    /// The dimension `host`.
    pub host: String,
    /// The dimension `method`.
    pub method: String,
    /// The dimension `path`.
    pub path: String,
    /// The dimension `status`.
    pub status: String,
}

/// The number of requests in each series.
pub type RequestCounts = BTreeMap<RequestSeries, u64>;

/// Creates a series.
pub fn series(host: &str, method: &str, path: &str, status: u16) -> RequestSeries {
    let own = str::to_owned;
    RequestSeries { host: own(host), method: own(method), path: own(path), status: status.to_string() }
}

/// Counts how often each series occurs.
pub fn counts(series: impl IntoIterator<Item = RequestSeries>) -> RequestCounts {
    let mut counts = RequestCounts::new();
    for one in series {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

/// Returns the stored request counts of a namespace.
///
/// # Panics
/// Panics if the namespace contains another metric than RequestCount, or a value other than 1.
pub fn stored(cloudwatch: &LocalCloudWatch, namespace: &str) -> RequestCounts {
    let totals = cloudwatch.totals(namespace).into_iter();
    let counted = totals.map(|total| {
        assert_eq!((total.metric_name.as_str(), total.unit.as_str()), ("RequestCount", "Count"), "{total:?}");
        assert_eq!((total.count, total.min, total.max), (total.sum, 1.0, 1.0), "{total:?}");
        assert_eq!(total.dimensions.len(), 4, "{total:?}");
        let of = |name: &str| total.dimensions[name].clone();
        (
            RequestSeries { host: of("host"), method: of("method"), path: of("path"), status: of("status") },
            total.sum as u64,
        )
    });
    counted.collect()
}

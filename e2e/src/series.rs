//! How often requests were counted, and as what.

use std::collections::BTreeMap;

use local_cloudwatch::LocalCloudWatch;

/// The dimensions of a RequestCount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// `host`
    pub host: String,
    /// `method`
    pub method: String,
    /// `path`
    pub path: String,
    /// `status`
    pub status: String,
}

/// Requests by series.
pub type Counts = BTreeMap<Series, u64>;

/// A series.
pub fn series(host: &str, method: &str, path: &str, status: u16) -> Series {
    let own = str::to_owned;
    Series { host: own(host), method: own(method), path: own(path), status: status.to_string() }
}

/// How often each occurs.
pub fn counts(series: impl IntoIterator<Item = Series>) -> Counts {
    let mut counts = Counts::new();
    for one in series {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

/// What is stored in a namespace, after checking that all of it is the metric RequestCount, and every value a request.
///
/// # Panics
/// When it is not.
pub fn stored(cloudwatch: &LocalCloudWatch, namespace: &str) -> Counts {
    let totals = cloudwatch.totals(namespace).into_iter();
    let counted = totals.map(|total| {
        assert_eq!((total.metric_name.as_str(), total.unit.as_str()), ("RequestCount", "Count"), "{total:?}");
        assert_eq!((total.count, total.min, total.max), (total.sum, 1.0, 1.0), "{total:?}");
        assert_eq!(total.dimensions.len(), 4, "{total:?}");
        let of = |name: &str| total.dimensions[name].clone();
        (Series { host: of("host"), method: of("method"), path: of("path"), status: of("status") }, total.sum as u64)
    });
    counted.collect()
}

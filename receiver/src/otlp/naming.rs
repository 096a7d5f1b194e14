//! The names and units of metrics and attributes.

use acpw_metric::{Metric, Origin, REQUEST_METRICS, Unit};

use crate::names::Names;

/// The names of metrics and attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Those of OpenTelemetry's semantic conventions where they have one, otherwise those of CloudWatch.
    OpenTelemetry,
    /// Those of CloudWatch.
    CloudWatch,
}

/// The form of a metric's data points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointForm {
    /// A monotonic sum.
    Sum,
    /// Two gauges: the average of the samples, and their maximum.
    Gauge,
    /// An exponential histogram.
    Histogram,
}

/// The OTLP metric of a CloudWatch metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricMapping<'a> {
    /// The name.
    pub name: &'a str,
    /// The unit, in UCUM.
    pub unit: &'static str,
    /// The number by which values are divided.
    pub divisor: f64,
    /// The form of the data points.
    pub form: PointForm,
}

/// The form of each request metric, in the order of [`REQUEST_METRICS`].
const REQUEST_FORMS: [PointForm; 22] = {
    use PointForm::{Gauge, Histogram, Sum};
    [
        Sum, Histogram, Histogram, Sum, Sum, Sum, Sum, Sum, Sum, Sum, Sum, Histogram, Histogram, Sum, Sum, Sum, Sum,
        Sum, Gauge, Gauge, Histogram, Histogram,
    ]
};

/// The request metrics that have a name in OpenTelemetry's semantic conventions, with that name and unit.
///
/// RequestBytes and ResponseBytes include headers, and the sizes of bodies do not.
pub const CONVENTION_METRICS: [(&str, &str, &str); 4] = [
    ("Latency", "http.server.request.duration", "s"),
    ("RequestsInProgress", "http.server.active_requests", "{request}"),
    ("RequestBodySize", "http.server.request.body.size", "By"),
    ("BufferSize", "http.server.response.body.size", "By"),
];

/// The dimensions of request metrics that have a name in OpenTelemetry's semantic conventions, with that name.
pub const CONVENTION_ATTRIBUTES: [(&str, &str); 5] = [
    ("host", "server.address"),
    ("method", "http.request.method"),
    ("path", "url.path"),
    ("path_template", "http.route"),
    ("status", "http.response.status_code"),
];

/// The attribute of data whose CloudWatch namespace is not the receiver's.
pub const NAMESPACE_ATTRIBUTE: &str = "cloudwatch.namespace";

impl Naming {
    /// Returns the OTLP metric of a metric.
    pub fn metric<'a>(self, names: &'a Names, origin: &'a Origin, metric: &'a Metric) -> MetricMapping<'a> {
        let (_, name) = names.resolve(origin, metric);
        let own = MetricMapping {
            name: name.as_str(),
            unit: ucum(metric.unit),
            divisor: 1.0,
            form: request_metric(origin, metric).unwrap_or(PointForm::Histogram),
        };
        let convention = || {
            let (_, name, unit) = CONVENTION_METRICS.iter().find(|(known, ..)| *known == metric.name.as_str())?;
            let divisor = match (*unit, metric.unit) {
                ("s", Unit::MILLISECONDS) => 1_000.0,
                ("s", Unit::SECONDS) | ("By", Unit::BYTES) | ("{request}", Unit::COUNT) => 1.0,
                _ => return None,
            };
            Some(MetricMapping { name, unit, divisor, ..own })
        };
        match self {
            Self::OpenTelemetry if request_metric(origin, metric).is_some() => convention().unwrap_or(own),
            Self::OpenTelemetry | Self::CloudWatch => own,
        }
    }

    /// Returns the name of a dimension as an attribute. `has` returns whether the series has a dimension of that name,
    /// which keeps it.
    pub fn attribute<'a>(
        self,
        origin: &Origin,
        metric: &Metric,
        dimension: &'a str,
        has: impl FnOnce(&str) -> bool,
    ) -> &'a str {
        if self == Self::CloudWatch || request_metric(origin, metric).is_none() {
            return dimension;
        }
        let convention = CONVENTION_ATTRIBUTES.iter().find(|(known, _)| *known == dimension);
        convention.map(|(_, name)| *name).filter(|name| !has(name)).unwrap_or(dimension)
    }
}

/// Returns the form of a request metric, or `None` for other metrics. A post names its namespace, so its data are never
/// those of a request metric.
fn request_metric(origin: &Origin, metric: &Metric) -> Option<PointForm> {
    let index = REQUEST_METRICS.iter().position(|name| *name == metric.name.as_str())?;
    REQUEST_FORMS.get(index).copied().filter(|_| origin.namespace.is_none())
}

/// Returns the UCUM code of a unit.
fn ucum(unit: Unit) -> &'static str {
    const CODES: [(&str, &str); 26] = [
        ("Count", "1"),
        ("Percent", "%"),
        ("Seconds", "s"),
        ("Microseconds", "us"),
        ("Milliseconds", "ms"),
        ("Bytes", "By"),
        ("Kilobytes", "kBy"),
        ("Megabytes", "MBy"),
        ("Gigabytes", "GBy"),
        ("Terabytes", "TBy"),
        ("Bits", "bit"),
        ("Kilobits", "kbit"),
        ("Megabits", "Mbit"),
        ("Gigabits", "Gbit"),
        ("Terabits", "Tbit"),
        ("Bytes/Second", "By/s"),
        ("Kilobytes/Second", "kBy/s"),
        ("Megabytes/Second", "MBy/s"),
        ("Gigabytes/Second", "GBy/s"),
        ("Terabytes/Second", "TBy/s"),
        ("Bits/Second", "bit/s"),
        ("Kilobits/Second", "kbit/s"),
        ("Megabits/Second", "Mbit/s"),
        ("Gigabits/Second", "Gbit/s"),
        ("Terabits/Second", "Tbit/s"),
        ("Count/Second", "1/s"),
    ];
    CODES.iter().find(|(name, _)| *name == unit.as_str()).map_or("", |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use acpw_metric::{MetricName, Namespace, StorageResolution};

    use super::*;

    fn names() -> Names {
        Names { namespace: Namespace::new("N").unwrap(), request_count: MetricName::new("Requests").unwrap() }
    }

    fn metric(name: &str, unit: Unit) -> Metric {
        Metric { name: MetricName::new(name).unwrap(), unit, resolution: StorageResolution::Standard }
    }

    #[test]
    fn times_are_seconds_by_the_conventions() {
        let (names, origin) = (names(), Origin::default());
        for (unit, divisor) in [(Unit::MILLISECONDS, 1_000.0), (Unit::SECONDS, 1.0)] {
            let latency = metric("Latency", unit);
            let mapping = Naming::OpenTelemetry.metric(&names, &origin, &latency);
            assert_eq!((mapping.name, mapping.unit, mapping.divisor), ("http.server.request.duration", "s", divisor));
            assert_eq!(mapping.form, PointForm::Histogram);
        }
        let latency = metric("Latency", Unit::MILLISECONDS);
        let mapping = Naming::CloudWatch.metric(&names, &origin, &latency);
        assert_eq!((mapping.name, mapping.unit, mapping.divisor), ("Latency", "ms", 1.0));
    }

    #[test]
    fn only_request_metrics_have_names_of_the_conventions() {
        let names = names();
        let posted = Origin { namespace: Some(Namespace::new("Shop").unwrap()), ..Origin::default() };
        let latency = metric("Latency", Unit::MILLISECONDS);
        let mapping = Naming::OpenTelemetry.metric(&names, &posted, &latency);
        assert_eq!((mapping.name, mapping.form), ("Latency", PointForm::Histogram));
        let count = metric("RequestCount", Unit::COUNT);
        assert_eq!(Naming::OpenTelemetry.metric(&names, &posted, &count).form, PointForm::Histogram);
        let own = Naming::OpenTelemetry
            .metric(&names, &Origin { namespace: None, ..Origin::default() }, &count)
            .name
            .to_owned();
        assert_eq!(own, "Requests");
    }

    #[test]
    fn an_attribute_of_the_conventions_replaces_no_other() {
        let (origin, latency) = (Origin::default(), metric("Latency", Unit::MILLISECONDS));
        let name = |naming: Naming, dimension: &'static str, has: bool| {
            naming.attribute(&origin, &latency, dimension, |_| has).to_owned()
        };
        assert_eq!(name(Naming::OpenTelemetry, "method", false), "http.request.method");
        assert_eq!(name(Naming::OpenTelemetry, "method", true), "method");
        assert_eq!(name(Naming::OpenTelemetry, "Tenant", false), "Tenant");
        assert_eq!(name(Naming::CloudWatch, "method", false), "method");
        let scraped = metric("workers", Unit::COUNT);
        assert_eq!(Naming::OpenTelemetry.attribute(&origin, &scraped, "method", |_| false), "method");
    }

    #[test]
    fn every_unit_has_a_code() {
        for unit in Unit::all() {
            assert_eq!(ucum(unit).is_empty(), unit == Unit::NONE, "{unit}");
        }
    }
}

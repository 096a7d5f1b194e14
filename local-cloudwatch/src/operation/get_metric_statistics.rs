//! GetMetricStatistics.

use crate::error::{ApiError, ErrorKind};
use crate::metric::{Metric, Unit, invalid, too_large};
use crate::node::{Fields, Node};
use crate::operation::period::{Range, Statistic, unknown_statistic};
use crate::quota::{MAX_EXTENDED_STATISTICS, MAX_STATISTICS_DATAPOINTS};
use crate::statistics::Bucket;
use crate::store::Store;

/// Answers the datapoints of one metric, one per period and unit.
pub(crate) fn get_metric_statistics(fields: &Fields<'_>, store: &Store) -> Result<Node, ApiError> {
    let metric = Metric::read(fields)?;
    let range = Range::read(fields, fields)?;
    let unit = Unit::read(fields)?;
    let wanted = Wanted::read(fields)?;
    if range.datapoints() > MAX_STATISTICS_DATAPOINTS {
        let message = format!(
            "You have requested up to {} datapoints, which exceeds the limit of {MAX_STATISTICS_DATAPOINTS}. You may \
             reduce the datapoints requested by increasing Period, or decreasing the time range.",
            range.datapoints()
        );
        return Err(ApiError::new(ErrorKind::InvalidParameterCombination, message));
    }
    let mut datapoints = Vec::new();
    for (found, series) in store.of_metric(&metric).filter(|(found, _)| unit.is_none_or(|unit| unit == *found)) {
        for (timestamp, bucket) in series.periods(range.start, range.end, range.period) {
            datapoints.extend(wanted.datapoint(timestamp, found, &bucket));
        }
    }
    Ok(Node::map([("Label", Node::text(metric.name)), ("Datapoints", Node::List(datapoints))]))
}

struct Wanted {
    plain: Vec<(String, Statistic)>,
    extended: Vec<(String, Statistic)>,
}

impl Wanted {
    fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let (plain, extended) = (fields.texts("Statistics")?, fields.texts("ExtendedStatistics")?);
        if plain.is_empty() && extended.is_empty() {
            let message = "At least one of the parameters Statistics and ExtendedStatistics must be specified.";
            return Err(ApiError::new(ErrorKind::InvalidParameterCombination, message));
        }
        if extended.len() > MAX_EXTENDED_STATISTICS {
            return Err(too_large("ExtendedStatistics", MAX_EXTENDED_STATISTICS));
        }
        let plain = plain.into_iter().enumerate().map(|(index, name)| {
            let statistic = Statistic::plain(name).ok_or_else(|| {
                let set = "[ SampleCount, Average, Sum, Minimum, Maximum ]";
                invalid(format!("The parameter Statistics.member.{} must be a value in the set {set}.", index + 1))
            })?;
            Ok((name.to_owned(), statistic))
        });
        let extended = extended.into_iter().enumerate().map(|(index, name)| {
            let path = format!("ExtendedStatistics.member.{}", index + 1);
            let statistic = Statistic::percentile(name).ok_or_else(|| unknown_statistic(&path, name))?;
            Ok((name.to_owned(), statistic))
        });
        Ok(Self {
            plain: plain.collect::<Result<_, ApiError>>()?,
            extended: extended.collect::<Result<_, ApiError>>()?,
        })
    }

    /// A period's datapoint; none when only percentiles are wanted and they are not known.
    fn datapoint(&self, timestamp: i64, unit: Unit, bucket: &Bucket) -> Option<Node> {
        let known = |wanted: &[(String, Statistic)]| -> Vec<(String, Node)> {
            let value =
                |(name, statistic): &(String, Statistic)| Some((name.clone(), Node::Number(statistic.of(bucket)?)));
            wanted.iter().filter_map(value).collect()
        };
        let (plain, extended) = (known(&self.plain), known(&self.extended));
        if plain.is_empty() && extended.is_empty() {
            return None;
        }
        let mut fields = vec![("Timestamp".to_owned(), Node::Time(timestamp as f64))];
        fields.extend(plain);
        fields.push(("Unit".to_owned(), Node::text(unit.as_str())));
        if !extended.is_empty() {
            fields.push(("ExtendedStatistics".to_owned(), Node::Dictionary(extended)));
        }
        Some(Node::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Datum, Measurement, Resolution};
    use crate::metric::Dimensions;
    use crate::node::TimeForm;
    use crate::statistics::Statistics;

    const START: i64 = 1_795_170_600;

    fn store(values: Option<Vec<(f64, f64)>>) -> Store {
        let datum = Datum {
            metric_name: "m".into(),
            dimensions: Dimensions::new(),
            unit: Unit::NONE,
            timestamp: START + 61,
            resolution: Resolution::Minute,
            measurement: Measurement { statistics: Statistics { count: 2.0, sum: 4.0, min: 1.0, max: 3.0 }, values },
        };
        let mut store = Store::default();
        store.put("n", vec![datum], START);
        store
    }

    fn request(minutes: i64, lists: Vec<(&str, &str)>) -> Node {
        let mut fields = vec![
            ("Namespace".to_owned(), Node::text("n")),
            ("MetricName".to_owned(), Node::text("m")),
            ("StartTime".to_owned(), Node::Number(START as f64)),
            ("EndTime".to_owned(), Node::Number((START + 60 * minutes) as f64)),
            ("Period".to_owned(), Node::Number(60.0)),
        ];
        fields.extend(lists.into_iter().map(|(name, item)| (name.to_owned(), Node::List(vec![Node::text(item)]))));
        Node::Map(fields)
    }

    fn ask(store: &Store, request: &Node) -> Result<Node, ApiError> {
        get_metric_statistics(&Fields::root(request, TimeForm::Number).unwrap(), store)
    }

    #[test]
    fn a_datapoint_has_the_wanted_statistics() {
        let wanted = request(5, vec![("Statistics", "Average"), ("ExtendedStatistics", "p50")]);
        let point = Node::map([
            ("Timestamp", Node::Time((START + 60) as f64)),
            ("Average", Node::Number(2.0)),
            ("Unit", Node::text("None")),
            ("ExtendedStatistics", Node::Dictionary(vec![("p50".into(), Node::Number(1.0))])),
        ]);
        let answer = Node::map([("Label", Node::text("m")), ("Datapoints", Node::List(vec![point]))]);
        assert_eq!(ask(&store(Some(vec![(1.0, 1.0), (3.0, 1.0)])), &wanted).unwrap(), answer);
    }

    #[test]
    fn an_unknown_percentile_is_left_out() {
        let answer = ask(&store(None), &request(5, vec![("ExtendedStatistics", "p50")])).unwrap();
        assert_eq!(answer, Node::map([("Label", Node::text("m")), ("Datapoints", Node::List(vec![]))]));
    }

    #[test]
    fn an_answer_has_its_quota_of_datapoints() {
        let is_ok = |minutes| ask(&store(None), &request(minutes, vec![("Statistics", "Sum")])).is_ok();
        assert_eq!([1_439, 1_440, 1_441].map(is_ok), [true, true, false]);
    }

    #[test]
    fn statistics_must_be_wanted_and_known() {
        assert!(ask(&store(None), &request(5, vec![])).is_err());
        assert!(ask(&store(None), &request(5, vec![("Statistics", "p50")])).is_err());
        let error = ask(&store(None), &request(5, vec![("ExtendedStatistics", "tm90")])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::ValidationError);
    }
}

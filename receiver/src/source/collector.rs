//! From readings to data: what rules make of a target's series, round by round.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    rc::Rc,
};

use acpw_metric::{
    Accumulator, Dimensions, Distribution, Map, Metric, Namespace, Now, RandomState, Timestamp,
    quota::MAX_VALUES_PER_DATUM,
};

use super::{
    SourceCounts,
    difference::{Change, Previous},
    reading::{Reading, Value},
    rule::{Combine, Rule},
};

/// What it is to take in a series that was not there before, and to publish a datum: as much as to read so many bytes.
const SERIES_WORK: usize = 128;
const DATUM_WORK: usize = 64;

/// A rule's index, and the hash of a reading's name and labels, which takes less memory than they
/// would. Nobody can choose two series of one hash, and of 100,000 series that nobody chose, two
/// have the same hash once in four billion times.
type SeriesKey = (usize, u64);

/// A rule's index, and the series under which it publishes.
type TargetKey = (usize, Metric, Dimensions);

/// Makes data of the readings of one target: [`begin`](Self::begin), then [`take`](Self::take) for each reading of an
/// answer, then [`finish`](Self::finish) until it has come to its end, which gives the data of that answer.
///
/// - Counters, histograms and summaries are told by what came to them since the last round. The first time gives nothing,
///   unless the target tells that the series began after the last round. One that has gone back gives nothing either, and
///   counts on from there: Prometheus' `increase` takes all it says as new, which is too much whenever the target went back
///   by anything but a restart.
/// - Series that a rule does not tell apart are published together. Sums of increases are of those increases that are
///   known. A sum of gauges of which one is not known is not published.
/// - What is not published for such a reason is a gap, and counted.
/// - A series that is not there for a round is forgotten.
#[derive(Debug)]
pub struct Collector {
    rules: Rc<[Rule]>,
    namespace: Option<Namespace>,
    max_series: usize,
    hasher: RandomState,
    series: Map<SeriesKey, Series>,
    targets: Map<TargetKey, Target>,
    round: u64,
    now: Timestamp,
    /// When the last round was, if it came to its end.
    last: Option<Timestamp>,
    /// How many targets of this round are published.
    published: usize,
    work: usize,
}

/// A series at the target, by one rule.
#[derive(Debug)]
struct Series {
    previous: Previous,
    /// When it began, as the target tells.
    created: Option<f64>,
    /// The index of the target under which it is published.
    target: usize,
    /// The last round in which it was there.
    round: u64,
}

/// A series in CloudWatch.
#[derive(Debug, Default)]
struct Target {
    /// The sum of this round.
    sum: Option<f64>,
    /// Other values of this round.
    values: Distribution,
    /// Whether something is missing in this round without which the rest is wrong.
    is_broken: bool,
}

impl Collector {
    /// One that knows no series yet and remembers at most `max_series`; data go to `namespace`, or the receiver's.
    pub fn new(rules: Vec<Rule>, max_series: usize, namespace: Option<Namespace>) -> Self {
        Self {
            rules: rules.into(),
            namespace,
            max_series,
            hasher: RandomState::default(),
            series: Map::default(),
            targets: Map::default(),
            round: 0,
            now: Timestamp::default(),
            last: None,
            published: 0,
            work: 0,
        }
    }

    /// Its rules.
    pub fn rules(&self) -> Rc<[Rule]> {
        Rc::clone(&self.rules)
    }

    /// Begins a round: an answer of this time.
    pub fn begin(&mut self, now: Now) {
        self.round = self.round.wrapping_add(1);
        self.now = now.wall;
    }

    /// Takes in a reading of the answer.
    pub fn take(&mut self, reading: &Reading<'_>, counts: &mut SourceCounts) {
        let mut hash = None;
        for rule in 0..self.rules.len() {
            if self.rules.get(rule).is_some_and(|rule| rule.metric.matches(reading.name)) {
                let hash = *hash.get_or_insert_with(|| hash_of(&self.hasher, reading));
                self.take_for(rule, hash, reading, counts);
            }
        }
    }

    /// How much work readings have made since this was last asked, beside reading them: what it is to read so many bytes.
    pub fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// Ends the round, and adds what it says to `data`. Goes on for about as much work as it is to read `budget` bytes, takes
    /// from it what it has done, and tells whether it has come to its end; until then it is to be called again.
    pub fn finish(&mut self, budget: &mut usize, data: &mut Accumulator, counts: &mut SourceCounts) -> bool {
        while let Some(((_, metric, dimensions), target)) = self.targets.get_index_mut(self.published) {
            if *budget == 0 {
                return false;
            }
            *budget = budget.saturating_sub(DATUM_WORK);
            self.published = self.published.saturating_add(1);
            let values = std::mem::take(&mut target.values);
            let sum = target.sum.take();
            if std::mem::take(&mut target.is_broken) {
                counts.gaps = counts.gaps.saturating_add(1);
                continue;
            }
            let mut told = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
            if sum.is_some_and(|sum| !told.record(sum)) {
                counts.gaps = counts.gaps.saturating_add(1);
            }
            for distribution in [&values, &told] {
                data.add(self.now, self.namespace.clone(), dimensions, metric, distribution);
            }
        }
        self.published = 0;
        self.last = Some(self.now);
        if self.series.values().any(|series| series.round != self.round) {
            self.forget();
        }
        true
    }

    /// Breaks the round off. Nothing of it is published, and what was said before is forgotten too.
    pub fn cancel(&mut self) {
        self.last = None;
        self.series.clear();
        self.targets.clear();
    }

    fn take_for(&mut self, rule: usize, hash: u64, reading: &Reading<'_>, counts: &mut SourceCounts) {
        let key = (rule, hash);
        let known = self.series.get_index_of(&key);
        let Some(rule_at) = self.rules.get(rule) else { return };
        let value = rule_at.value_of(reading);
        let (scale, combine) = (rule_at.scale, rule_at.combine);
        let Some(index) = known.or_else(|| self.meet(key, reading, &value, counts)) else { return };
        let Some((_, series)) = self.series.get_index_mut(index) else { return };
        let Some((_, target)) = self.targets.get_index_mut(series.target) else { return };
        if series.round == self.round {
            // A series that is there twice: nobody knows which is right.
            target.is_broken = true;
            return;
        }
        series.round = self.round;
        // By the target's clock, which may be another. It is not asked of what was known to have begun then already.
        let began = reading.created.filter(|_| series.created != reading.created).map(|created| created * 1e3);
        let round = self.last.map(|last| last.as_millis() as f64..=self.now.as_millis() as f64);
        let is_new = round.zip(began).is_some_and(|(round, began)| round.contains(&began));
        series.created = reading.created;
        match (series.previous.advance(&value, is_new, scale), &value) {
            (Some(Change::Value(value)), Value::Gauge(_)) if combine == Combine::Samples => {
                let mut one = Distribution::exact(MAX_VALUES_PER_DATUM as u32);
                target.is_broken |= !one.record(value);
                target.values.merge(&one);
            }
            (Some(Change::Value(value)), _) => target.sum = Some(target.sum.unwrap_or(0.0) + value),
            (Some(Change::Distribution(values)), _) => target.values.merge(&values),
            (Some(Change::Nothing), _) => {}
            (None, Value::Gauge(_) | Value::Untyped(_)) => target.is_broken = true,
            (None, Value::Counter(_) | Value::Histogram { .. } | Value::Summary { .. }) => {
                counts.gaps = counts.gaps.saturating_add(1);
            }
        }
    }

    /// Adds a series that was not there before, and returns its index. Returns `None` if it is not to
    /// be published, or there is no room.
    fn meet(
        &mut self,
        key: SeriesKey,
        reading: &Reading<'_>,
        value: &Value<'_>,
        counts: &mut SourceCounts,
    ) -> Option<usize> {
        self.work = self.work.saturating_add(SERIES_WORK);
        let (rule, _) = key;
        let rule_at = self.rules.get(rule)?;
        let dimensions = rule_at.dimensions_of(reading.labels)?;
        let Some(metric) = rule_at.published(reading.name, value) else {
            counts.gaps = counts.gaps.saturating_add(1);
            return None;
        };
        let target = (rule, metric, dimensions);
        if self.series.len() >= self.max_series {
            counts.over_limit = counts.over_limit.saturating_add(1);
            // Without this series it is not what it is meant to be.
            if let Some(target) = self.targets.get_mut(&target) {
                target.is_broken = true;
            }
            return None;
        }
        let target = self.targets.entry(target);
        let index = target.index();
        target.or_default();
        let round = self.round.wrapping_sub(1);
        let series = Series { previous: Previous::Nothing, created: None, target: index, round };
        Some(self.series.insert_full(key, series).0)
    }

    /// Forgets series that were not there in this round, and targets that only they had.
    fn forget(&mut self) {
        self.series.retain(|_, series| series.round == self.round);
        let mut kept = vec![None; self.targets.len()];
        for series in self.series.values() {
            if let Some(kept) = kept.get_mut(series.target) {
                *kept = Some(0);
            }
        }
        kept.iter_mut().flatten().enumerate().for_each(|(index, kept)| *kept = index);
        let mut is_kept = kept.iter().map(Option::is_some);
        self.targets.retain(|_, _| is_kept.next() == Some(true));
        for series in self.series.values_mut() {
            if let Some(Some(index)) = kept.get(series.target) {
                series.target = *index;
            }
        }
    }
}

fn hash_of(hasher: &impl BuildHasher, reading: &Reading<'_>) -> u64 {
    let mut hasher = hasher.build_hasher();
    reading.name.hash(&mut hasher);
    for label in reading.labels {
        (label.name, &*label.value).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, time::Duration};

    use acpw_metric::{DimensionName, Unit};

    use super::*;
    use crate::source::{
        reading::{Bucket, Label},
        rule::Source,
    };

    const START: u64 = 1_787_402_160;

    fn now(second: u64) -> Now {
        Now { wall: Timestamp::from_secs(START + second), steady: Duration::from_secs(second) }
    }

    /// A target that is asked every ten seconds.
    struct Target {
        collector: Collector,
        second: u64,
        counts: SourceCounts,
    }

    type Labels<'a> = &'a [(&'a str, &'a str)];

    impl Target {
        fn new(rules: Vec<Rule>, max_series: usize) -> Self {
            let collector = Collector::new(rules, max_series, None);
            Self { collector, second: 0, counts: SourceCounts::default() }
        }

        /// What is published after an answer with these series: name, dimension values, samples and sum.
        fn answer(&mut self, series: &[(&str, Labels<'_>, Value<'_>)]) -> Vec<(String, f64, f64)> {
            self.answer_created(series, None)
        }

        fn answer_created(
            &mut self,
            series: &[(&str, Labels<'_>, Value<'_>)],
            created: Option<u64>,
        ) -> Vec<(String, f64, f64)> {
            let created = created.map(|second| (START + second) as f64);
            self.second += 10;
            self.collector.begin(now(self.second));
            for (name, labels, value) in series {
                let labels: Vec<_> =
                    labels.iter().map(|(name, value)| Label { name, value: Cow::Borrowed(*value) }).collect();
                self.collector.take(&Reading { name, labels: &labels, value: *value, created }, &mut self.counts);
            }
            let mut data = Accumulator::default();
            let mut calls = 1;
            while !self.collector.finish(&mut { 1 }, &mut data, &mut self.counts) {
                calls += 1;
            }
            assert!(calls >= self.collector.targets.len());
            let mut told: Vec<_> = data
                .iter()
                .flat_map(|(key, dimensions, all)| {
                    assert_eq!(key.start, now(self.second).wall.floor(60));
                    let values: Vec<_> = dimensions.iter().map(|(_, value)| value.to_owned()).collect();
                    all.iter().map(move |(metric, distribution)| {
                        let name = [vec![metric.name.to_string()], values.clone()].concat().join(" ");
                        (name, distribution.sample_count(), distribution.sum())
                    })
                })
                .collect();
            told.sort_by(|a, b| a.0.cmp(&b.0));
            told
        }
    }

    fn by_label(metric: &str, label: &str) -> Rule {
        let dimension = (DimensionName::new(label).unwrap(), Source::Label(label.to_owned(), None));
        Rule { dimensions: vec![dimension], ..Rule::new(metric) }
    }

    fn told(expected: &[(&str, f64, f64)]) -> Vec<(String, f64, f64)> {
        expected.iter().map(|(name, samples, sum)| ((*name).to_owned(), *samples, *sum)).collect()
    }

    #[test]
    fn increases_are_summed_over_labels_that_are_no_dimensions() {
        let mut target = Target::new(vec![by_label("rq_total", "code"), Rule::new("rq_total")], 100);
        let mut answer = |values: [f64; 3]| {
            let [ok_a, ok_b, error] = values.map(Value::Counter);
            target.answer(&[
                ("rq_total", &[("code", "200"), ("pod", "a")], ok_a),
                ("rq_total", &[("code", "200"), ("pod", "b")], ok_b),
                ("rq_total", &[("code", "500"), ("pod", "a")], error),
                ("other_total", &[], Value::Counter(values[0])),
            ])
        };
        assert_eq!(answer([5.0, 7.0, 1.0]), []);
        let expected = told(&[("rq_total", 1.0, 6.0), ("rq_total 200", 1.0, 6.0), ("rq_total 500", 1.0, 0.0)]);
        assert_eq!(answer([6.0, 12.0, 1.0]), expected);
        // One has gone back: what is known of the others is told.
        let expected = told(&[("rq_total", 1.0, 4.0), ("rq_total 200", 1.0, 3.0), ("rq_total 500", 1.0, 1.0)]);
        assert_eq!(answer([2.0, 15.0, 2.0]), expected);
        assert_eq!(target.counts, SourceCounts { gaps: 6 + 2, ..SourceCounts::default() });
    }

    #[test]
    fn gauges_are_summed_or_are_samples_and_none_is_left_out_of_a_sum() {
        let samples = Rule { combine: Combine::Samples, unit: Some(Unit::BYTES), ..Rule::new("b") };
        let mut target = Target::new(vec![Rule::new("a"), samples], 100);
        let mut answer = |last: f64| {
            target.answer(&[
                ("a", &[("n", "1")], Value::Gauge(2.0)),
                ("a", &[("n", "2")], Value::Gauge(last)),
                ("b", &[("n", "1")], Value::Untyped(2.0)),
                ("b", &[("n", "2")], Value::Gauge(5.0)),
            ])
        };
        assert_eq!(answer(3.0), told(&[("a", 1.0, 5.0), ("b", 2.0, 7.0)]));
        assert_eq!(answer(f64::NAN), told(&[("b", 2.0, 7.0)]));
        assert_eq!(answer(1e300), told(&[("b", 2.0, 7.0)]));
        assert_eq!(answer(4.0), told(&[("a", 1.0, 6.0), ("b", 2.0, 7.0)]));
        assert_eq!(target.counts.gaps, 2);
    }

    #[test]
    fn histograms_and_summaries_are_summed_too() {
        let mut target = Target::new(vec![Rule::new("h"), Rule::new("s")], 100);
        let mut answer = |a: (f64, f64, f64), b: (f64, f64, f64)| {
            let buckets = [a, b].map(|(low, ..)| [Bucket { upper: 1.0, cumulative: low }]);
            target.answer(&[
                ("h", &[("n", "1")], Value::Histogram { buckets: &buckets[0], count: a.1, sum: a.2 }),
                ("h", &[("n", "2")], Value::Histogram { buckets: &buckets[1], count: b.1, sum: b.2 }),
                ("s", &[("n", "1")], Value::Summary { count: a.1, sum: a.2 }),
                ("s", &[("n", "2")], Value::Summary { count: b.1, sum: b.2 }),
            ])
        };
        assert_eq!(answer((0.0, 0.0, 0.0), (1.0, 1.0, 0.5)), []);
        assert_eq!(answer((2.0, 3.0, 6.0), (2.0, 2.0, 1.0)), told(&[("h", 4.0, 6.5), ("s", 4.0, 6.5)]));
        assert_eq!(answer((2.0, 3.0, 6.0), (2.0, 2.0, 1.0)), []);
    }

    #[test]
    fn a_series_that_began_after_the_last_round_began_with_nothing() {
        let mut target = Target::new(vec![Rule::new("a")], 100);
        let counter = |value| [("a", [("n", "1")].as_slice(), Value::Counter(value))];
        // The round before is not known.
        assert_eq!(target.answer_created(&counter(5.0), Some(9)), []);
        assert_eq!(target.answer_created(&counter(3.0), Some(15)), told(&[("a", 1.0, 3.0)]));
        assert_eq!(target.answer_created(&counter(4.0), Some(15)), told(&[("a", 1.0, 1.0)]));
        let both = [counter(6.0)[0], ("a", &[("n", "2")], Value::Counter(10.0))];
        assert_eq!(target.answer_created(&both, Some(15)), told(&[("a", 1.0, 2.0)]));

        // A clock that is ahead: what it tells is not after the last round when it is told first.
        let mut target = Target::new(vec![Rule::new("a")], 100);
        assert_eq!(target.answer(&[]), []);
        assert_eq!(target.answer_created(&counter(5.0), Some(25)), []);
        assert_eq!(target.answer_created(&counter(6.0), Some(25)), told(&[("a", 1.0, 1.0)]));
        assert_eq!(target.answer_created(&counter(2.0), Some(35)), told(&[("a", 1.0, 2.0)]));
    }

    #[test]
    fn series_beyond_the_limit_are_left_out_and_what_needs_them_too() {
        for (max_series, sums, over) in [(2, [true, false], 2), (3, [true, false], 1), (4, [true, true], 0)] {
            let mut target = Target::new(vec![by_label("a", "x")], max_series);
            let value = Value::Gauge(1.0);
            let answer = target.answer(&[
                ("a", &[("x", "1"), ("n", "1")], value),
                ("a", &[("x", "2"), ("n", "2")], value),
                ("a", &[("x", "2"), ("n", "3")], value),
                ("a", &[("x", "2"), ("n", "4")], value),
            ]);
            let expected = [("a 1", 1.0, 1.0), ("a 2", 1.0, 3.0)];
            let expected: Vec<_> =
                expected.into_iter().zip(sums).filter(|(_, is_there)| *is_there).map(|(sum, _)| sum).collect();
            assert_eq!(answer, told(&expected), "{max_series}");
            assert_eq!((target.counts.over_limit, target.counts.gaps), (over, u64::from(over > 0)));
        }
    }

    #[test]
    fn a_series_that_is_gone_for_a_round_is_forgotten() {
        let mut target = Target::new(vec![by_label("a", "x")], 2);
        let series = |x, value| ("a", x, Value::Counter(value));
        let (one, two, three): (Labels<'_>, Labels<'_>, Labels<'_>) = (&[("x", "1")], &[("x", "2")], &[("x", "3")]);
        assert_eq!(target.answer(&[series(one, 1.0), series(two, 1.0)]), []);
        assert_eq!(target.answer(&[series(two, 3.0)]), told(&[("a 2", 1.0, 2.0)]));
        assert_eq!(target.answer(&[series(two, 4.0), series(three, 1.0)]), told(&[("a 2", 1.0, 1.0)]));
        let again = target.answer(&[series(three, 2.0), series(two, 4.0), series(one, 9.0)]);
        assert_eq!(again, told(&[("a 2", 1.0, 0.0), ("a 3", 1.0, 1.0)]));
        assert_eq!(target.counts, SourceCounts { gaps: 3, over_limit: 1, ..SourceCounts::default() });
        assert_eq!(target.answer(&[]), []);
        assert!(target.collector.series.is_empty() && target.collector.targets.is_empty());
    }

    #[test]
    fn a_series_that_is_there_twice_and_a_round_that_breaks_off_tell_nothing() {
        let mut target = Target::new(vec![Rule::new("a"), Rule::new("*")], 100);
        let series = [("a", [].as_slice(), Value::Gauge(1.0)), ("b", &[], Value::Counter(1.0))];
        // Both rules publish it, as the same.
        assert_eq!(target.answer(&series), told(&[("a", 2.0, 2.0)]));
        assert_eq!(target.answer(&[series[0], series[0], series[1]]), told(&[("b", 1.0, 0.0)]));
        target.collector.cancel();
        assert_eq!(target.answer(&series[1..]), []);
        assert_eq!(target.answer(&series[1..]), told(&[("b", 1.0, 0.0)]));
    }
}

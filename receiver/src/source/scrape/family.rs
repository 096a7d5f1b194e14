//! Types of metric families, and the series that samples belong to.

use std::hash::BuildHasher;

use acpw_metric::{Map, RandomState};

use super::line::FamilyType;
use crate::source::reading::{SeriesKind, Sink, Wanted};

/// The maximum number of types in a response, ten times as many as fit into a response of the default maximum size.
pub(super) const MAX_FAMILIES: usize = 65_536;

/// The types that a response declares, anywhere in it.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// Types by the hash of the name, which takes less memory than the name. `None` means that the response declares
    /// several.
    types: Map<u64, Option<FamilyType>>,
    hasher: RandomState,
}

/// The metric that a sample belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The name that rules match.
    pub(super) name: String,
    pub(super) kind: SeriesKind,
    pub(super) role: Role,
}

/// The role of a sample in its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Value,
    CumulativeBucket,
    Count,
    Sum,
    Created,
    /// A sample of a metric with several declared types.
    Contradictory,
}

impl Families {
    /// Adds a type. Returns false if there are too many.
    pub(super) fn insert(&mut self, name: &str, family_type: FamilyType) -> bool {
        let key = self.hasher.hash_one(name);
        let is_full = self.types.len() >= MAX_FAMILIES;
        match self.types.get_mut(&key) {
            Some(known) if *known == Some(family_type) => true,
            Some(known) => {
                *known = None;
                true
            }
            None if is_full => false,
            None => self.types.insert(key, Some(family_type)).is_none(),
        }
    }

    fn get(&self, name: &str) -> Option<Option<FamilyType>> {
        self.types.get(&self.hasher.hash_one(name)).copied()
    }

    /// Returns the metric that samples of this name belong to, if the sink wants it.
    pub(super) fn owner(&self, name: &str, sink: &mut dyn Sink) -> Option<Owner> {
        let own = self.get(name);
        if let Some((owner, kind)) = self.owner_of_created(name) {
            // In the text format, Prometheus' client for Python declares creation times as gauges. A real gauge with
            // such a name is published if a rule has exactly this name.
            let is_gauge = own == Some(Some(FamilyType::Gauge)) && sink.wants(name) == Wanted::ByName;
            if !is_gauge {
                return wanted(owner, kind, Role::Created, sink);
            }
        }
        let (owner, kind, role) = match own {
            Some(None) => (name, SeriesKind::Untyped, Role::Contradictory),
            Some(Some(FamilyType::Counter)) => (name, SeriesKind::Counter, Role::Value),
            Some(Some(FamilyType::Gauge)) => (name, SeriesKind::Gauge, Role::Value),
            // A quantile, which cannot be computed for the values since the previous round.
            Some(Some(FamilyType::Summary)) => return None,
            Some(Some(FamilyType::Histogram | FamilyType::Untyped)) => (name, SeriesKind::Untyped, Role::Value),
            None => self.owner_of_part(name).unwrap_or((name, SeriesKind::Untyped, Role::Value)),
        };
        wanted(owner.to_owned(), kind, role, sink)
    }

    /// Returns the metric whose creation time samples of this name are.
    fn owner_of_created(&self, name: &str) -> Option<(String, SeriesKind)> {
        let base = name.strip_suffix("_created")?;
        let total = || [base, "_total"].concat();
        match self.get(base) {
            Some(Some(FamilyType::Histogram)) => Some((base.to_owned(), SeriesKind::Histogram)),
            Some(Some(FamilyType::Summary)) => Some((base.to_owned(), SeriesKind::Summary)),
            Some(Some(FamilyType::Counter)) => Some((total(), SeriesKind::Counter)),
            _ => (self.get(&total()) == Some(Some(FamilyType::Counter))).then(|| (total(), SeriesKind::Counter)),
        }
    }

    /// Returns the metric that samples of this name are a part of, according to the types of other names.
    fn owner_of_part<'a>(&self, name: &'a str) -> Option<(&'a str, SeriesKind, Role)> {
        if let Some(base) = name.strip_suffix("_total") {
            return match self.get(base)? {
                None => Some((name, SeriesKind::Untyped, Role::Contradictory)),
                Some(FamilyType::Counter) => Some((name, SeriesKind::Counter, Role::Value)),
                Some(_) => None,
            };
        }
        for (suffix, role) in [("_bucket", Role::CumulativeBucket), ("_count", Role::Count), ("_sum", Role::Sum)] {
            let Some(base) = name.strip_suffix(suffix) else { continue };
            return match self.get(base)? {
                None => Some((base, SeriesKind::Untyped, Role::Contradictory)),
                Some(FamilyType::Histogram) => Some((base, SeriesKind::Histogram, role)),
                Some(FamilyType::Summary) if role != Role::CumulativeBucket => Some((base, SeriesKind::Summary, role)),
                Some(_) => None,
            };
        }
        None
    }
}

fn wanted(name: String, kind: SeriesKind, role: Role, sink: &mut dyn Sink) -> Option<Owner> {
    (sink.wants(&name) != Wanted::No).then_some(Owner { name, kind, role })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reading::{Reading, Skipped};

    /// Wants all metrics but `unwanted`, and `wanted_created` by its exact name.
    struct TestSink;

    impl Sink for TestSink {
        fn wants(&mut self, name: &str) -> Wanted {
            match name {
                "wanted_created" => Wanted::ByName,
                "unwanted" => Wanted::No,
                _ => Wanted::ByPattern,
            }
        }

        fn accept(&mut self, _: &Reading<'_>) {}

        fn skip(&mut self, _: &Skipped<'_>) {}

        fn set_process_start(&mut self, _: f64) {}
    }

    #[test]
    fn samples_belong_to_metrics_according_to_the_types_of_names() {
        let mut families = Families::default();
        for (name, family_type) in [
            ("c", FamilyType::Counter),
            ("d_total", FamilyType::Counter),
            ("d_created", FamilyType::Gauge),
            ("wanted_total", FamilyType::Counter),
            ("wanted_created", FamilyType::Gauge),
            ("g", FamilyType::Gauge),
            ("h", FamilyType::Histogram),
            ("s", FamilyType::Summary),
            ("unwanted", FamilyType::Histogram),
            ("i", FamilyType::Untyped),
            ("twice", FamilyType::Counter),
            ("twice", FamilyType::Counter),
            ("odd", FamilyType::Counter),
            ("odd", FamilyType::Gauge),
            ("odd", FamilyType::Counter),
        ] {
            assert!(families.insert(name, family_type));
        }
        let owner = |name: &str| {
            let owner = families.owner(name, &mut TestSink)?;
            Some((owner.name, owner.kind, owner.role))
        };
        let is = |name: &str, kind, role| Some((name.to_owned(), kind, role));
        assert_eq!(owner("c"), is("c", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("c_total"), is("c_total", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("c_created"), is("c_total", SeriesKind::Counter, Role::Created));
        assert_eq!(owner("d_total"), is("d_total", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("d_created"), is("d_total", SeriesKind::Counter, Role::Created));
        assert_eq!(owner("wanted_created"), is("wanted_created", SeriesKind::Gauge, Role::Value));
        assert_eq!(owner("g"), is("g", SeriesKind::Gauge, Role::Value));
        assert_eq!(owner("g_created"), is("g_created", SeriesKind::Untyped, Role::Value));
        assert_eq!(owner("h_bucket"), is("h", SeriesKind::Histogram, Role::CumulativeBucket));
        assert_eq!(owner("h_count"), is("h", SeriesKind::Histogram, Role::Count));
        assert_eq!(owner("h_sum"), is("h", SeriesKind::Histogram, Role::Sum));
        assert_eq!(owner("h_created"), is("h", SeriesKind::Histogram, Role::Created));
        assert_eq!(owner("h"), is("h", SeriesKind::Untyped, Role::Value));
        assert_eq!(owner("s"), None);
        assert_eq!(owner("s_count"), is("s", SeriesKind::Summary, Role::Count));
        assert_eq!(owner("s_bucket"), is("s_bucket", SeriesKind::Untyped, Role::Value));
        assert_eq!(owner("unwanted_sum"), None);
        assert_eq!(owner("i_info"), is("i_info", SeriesKind::Untyped, Role::Value));
        assert_eq!(owner("nobody_total"), is("nobody_total", SeriesKind::Untyped, Role::Value));
        assert_eq!(owner("twice"), is("twice", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("odd"), is("odd", SeriesKind::Untyped, Role::Contradictory));
        assert_eq!(owner("odd_total"), is("odd_total", SeriesKind::Untyped, Role::Contradictory));
    }

    #[test]
    fn the_number_of_types_is_bounded() {
        let mut families = Families::default();
        for n in 0..MAX_FAMILIES {
            assert!(families.insert(&format!("a{n}"), FamilyType::Gauge));
        }
        assert!(families.insert("a0", FamilyType::Gauge));
        assert!(!families.insert("b", FamilyType::Gauge));
    }
}

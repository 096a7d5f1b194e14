//! Types by names, and the series that a sample belongs to by them.

use std::hash::BuildHasher;

use acpw_metric::{Map, RandomState};

use super::line::FamilyType;
use crate::source::reading::{SeriesKind, Sink, Wanted};

/// The most types of an answer. Ten times as many as an answer of the longest default has.
pub(super) const MAX_FAMILIES: usize = 65_536;

/// The types that an answer says, wherever in it.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// By the hash of the name, which takes less memory than the name. `None`: the answer
    /// contradicts itself.
    types: Map<u64, Option<FamilyType>>,
    hasher: RandomState,
}

/// A series of a wanted metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The name that rules match.
    pub(super) name: String,
    pub(super) kind: SeriesKind,
    pub(super) role: Role,
}

/// The part of its series that a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Value,
    CumulativeBucket,
    Count,
    Sum,
    Created,
    /// Of a metric with two types.
    Contradictory,
}

impl Families {
    /// Takes in a type. Returns false if there are too many.
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

    /// Returns the series that samples of this name belong to, if a rule wants it.
    pub(super) fn owner(&self, name: &str, sink: &mut dyn Sink) -> Option<Owner> {
        let own = self.get(name);
        if let Some((owner, kind)) = self.owner_of_start(name) {
            // Prometheus' client for Python declares start times as gauges in the text format. A
            // gauge that merely has such a name is published if a rule names it.
            let is_asked_for = own == Some(Some(FamilyType::Gauge)) && sink.wants(name) == Wanted::ByName;
            if !is_asked_for {
                return wanted(owner, kind, Role::Created, sink);
            }
        }
        let (owner, kind, role) = match own {
            Some(None) => (name, SeriesKind::Untyped, Role::Contradictory),
            Some(Some(FamilyType::Counter)) => (name, SeriesKind::Counter, Role::Value),
            Some(Some(FamilyType::Gauge)) => (name, SeriesKind::Gauge, Role::Value),
            // A quantile, which says nothing about the values since the last time.
            Some(Some(FamilyType::Summary)) => return None,
            Some(Some(FamilyType::Histogram | FamilyType::Untyped)) => (name, SeriesKind::Untyped, Role::Value),
            None => self.owner_of_part(name).unwrap_or((name, SeriesKind::Untyped, Role::Value)),
        };
        wanted(owner.to_owned(), kind, role, sink)
    }

    /// Returns the series that began at the time which samples of this name say.
    fn owner_of_start(&self, name: &str) -> Option<(String, SeriesKind)> {
        let base = name.strip_suffix("_created")?;
        let total = || [base, "_total"].concat();
        match self.get(base) {
            Some(Some(FamilyType::Histogram)) => Some((base.to_owned(), SeriesKind::Histogram)),
            Some(Some(FamilyType::Summary)) => Some((base.to_owned(), SeriesKind::Summary)),
            Some(Some(FamilyType::Counter)) => Some((total(), SeriesKind::Counter)),
            _ => (self.get(&total()) == Some(Some(FamilyType::Counter))).then(|| (total(), SeriesKind::Counter)),
        }
    }

    /// Returns the series that samples of this name are a part of, by the types of other names.
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

    /// Wants everything, and `asked_created` by its name.
    struct All;

    impl Sink for All {
        fn wants(&mut self, name: &str) -> Wanted {
            match name {
                "asked_created" => Wanted::ByName,
                "unwanted" => Wanted::No,
                _ => Wanted::ByPattern,
            }
        }

        fn accept(&mut self, _: &Reading<'_>) {}

        fn skip(&mut self, _: &Skipped<'_>) {}

        fn set_process_start(&mut self, _: f64) {}
    }

    #[test]
    fn samples_belong_to_series_by_the_types_of_names() {
        let mut families = Families::default();
        for (name, family_type) in [
            ("c", FamilyType::Counter),
            ("d_total", FamilyType::Counter),
            ("d_created", FamilyType::Gauge),
            ("asked_total", FamilyType::Counter),
            ("asked_created", FamilyType::Gauge),
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
            let owner = families.owner(name, &mut All)?;
            Some((owner.name, owner.kind, owner.role))
        };
        let is = |name: &str, kind, role| Some((name.to_owned(), kind, role));
        assert_eq!(owner("c"), is("c", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("c_total"), is("c_total", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("c_created"), is("c_total", SeriesKind::Counter, Role::Created));
        assert_eq!(owner("d_total"), is("d_total", SeriesKind::Counter, Role::Value));
        assert_eq!(owner("d_created"), is("d_total", SeriesKind::Counter, Role::Created));
        assert_eq!(owner("asked_created"), is("asked_created", SeriesKind::Gauge, Role::Value));
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

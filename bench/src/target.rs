//! Targets for the costs of the variants.

use serde::Serialize;

use crate::{row::Row, variant::EMPTY_FILTER};

/// A target: the added cost of one variant is at most a multiple of another's.
struct Target {
    variant: &'static str,
    most: f64,
    of: &'static str,
}

/// The result for a target.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) measured: f64,
    pub(crate) most: f64,
    pub(crate) is_met: bool,
}

const TARGETS: [Target; 18] = [
    // Compared with the minimum that a module must do.
    target("sender filter, seed", 1.15, "floor filter, seed"),
    target("sender filter, full", 1.15, "floor filter, full"),
    target("sender filter, unmatched", 1.15, "floor filter, unmatched"),
    target("sender logger, seed", 1.15, "floor logger, seed"),
    target("sender logger, full", 1.15, "floor logger, full"),
    target("sender logger, unmatched", 1.15, "floor logger, unmatched"),
    // Compared with the minimal cost of Proxy-Wasm.
    target("sender logger, seed", 1.1, EMPTY_FILTER),
    target("sender filter, seed", 1.6, EMPTY_FILTER),
    target("sender logger, full", 2.3, EMPTY_FILTER),
    target("sender filter, full", 2.9, EMPTY_FILTER),
    target("sender filter, unmatched", 1.2, EMPTY_FILTER),
    target("native stats", 0.5, EMPTY_FILTER),
    // Compared with alternatives.
    target("sender logger, seed", 1.0, "Lua"),
    target("sender filter, seed", 0.2, "enqueue each request"),
    target("sender logger, seed", 0.2, "enqueue each request"),
    target("sender filter, full", 0.4, "enqueue each request"),
    target("sender logger, full", 0.4, "enqueue each request"),
    target("native stats", 0.4, "enqueue each request"),
];

const fn target(variant: &'static str, most: f64, of: &'static str) -> Target {
    Target { variant, most, of }
}

/// Compares results with all targets.
pub(crate) fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let added = |name: &str| rows.iter().find(|row| row.name == name).map_or(f64::NAN, |row| row.added);
    let verdict = |target: &Target| {
        let measured = added(target.variant) / added(target.of);
        Verdict {
            target: format!("{} of {}", target.variant, target.of),
            measured,
            most: target.most,
            is_met: measured <= target.most,
        }
    };
    TARGETS.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::VARIANTS;

    fn rows(added: impl Fn(&str) -> f64) -> Vec<Row> {
        let row = |name| Row {
            name,
            microseconds: 0.0,
            spread: 0.0,
            added: added(name),
            ratio: 0.0,
            of_floor: None,
            each: Vec::new(),
        };
        VARIANTS.iter().map(|variant| row(variant.name)).collect()
    }

    #[test]
    fn every_target_refers_to_existing_variants() {
        assert!(verdicts(&rows(|_| 1.0)).iter().all(|verdict| verdict.measured == 1.0));
    }

    #[test]
    fn a_target_is_met_up_to_and_including_its_bound() {
        let is_met = |added| {
            let rows = rows(|name| if name == "native stats" { added } else { 10.0 });
            let verdicts = verdicts(&rows);
            verdicts.iter().find(|verdict| verdict.target == "native stats of empty SDK filter").unwrap().is_met
        };
        assert!(is_met(5.0));
        assert!(!is_met(5.01));
    }
}

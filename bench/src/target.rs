//! Targets for the costs of the variants.

use serde::Serialize;

use crate::{
    row::{Cost, Row},
    traffic::{BROWSER, PROXIED, Traffic},
};

/// A target for the added cost of a variant.
struct Target {
    variant: &'static str,
    most: f64,
    of: Of,
}

/// The cost with which the added cost of a variant is compared.
enum Of {
    /// The added cost of another variant, for a request with 20 headers.
    Added(&'static str),
    /// The whole cost of a proxied request without Wasm.
    Proxied,
}

/// The result for a target.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) measured: f64,
    pub(crate) most: f64,
    pub(crate) is_met: bool,
}

const TARGETS: [Target; 9] = [
    // Compared with the minimum that a module must do.
    added("sender filter, seed", 1.4, "floor filter, seed"),
    added("sender filter, full", 1.25, "floor filter, full"),
    added("sender filter, unmatched", 1.25, "floor filter, unmatched"),
    added("sender logger, seed", 1.3, "floor logger, seed"),
    added("sender logger, full", 1.25, "floor logger, full"),
    added("sender logger, unmatched", 1.25, "floor logger, unmatched"),
    // Compared with an alternative.
    added("sender logger, seed", 0.5, "Lua"),
    // Compared with what a proxy does anyway.
    Target { variant: "sender logger, seed", most: 0.05, of: Of::Proxied },
    Target { variant: "sender logger, full", most: 0.1, of: Of::Proxied },
];

const fn added(variant: &'static str, most: f64, of: &'static str) -> Target {
    Target { variant, most, of: Of::Added(of) }
}

/// Compares results with all targets.
pub(crate) fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let cost = |name: &str, traffic: &Traffic| rows.iter().find(|row| row.name == name)?.cost(traffic);
    let verdict = |target: &Target| {
        let (measured, of) = match target.of {
            Of::Added(other) => {
                let added = |name| cost(name, &BROWSER).map_or(f64::NAN, |cost| cost.added);
                (added(target.variant) / added(other), other)
            }
            Of::Proxied => (cost(target.variant, &PROXIED).map_or(f64::NAN, Cost::share), "a proxied request"),
        };
        Verdict {
            target: format!("{} of {of}", target.variant),
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
    use crate::{
        row::{Samples, rows},
        traffic::ALL,
        variant::{NONE, VARIANTS},
    };

    /// Returns results in which each variant adds a cost to one of 100.
    fn results(added: impl Fn(&str) -> f64) -> Vec<Row> {
        let sample = |name| if name == NONE { 100.0 } else { 100.0 + added(name) };
        let samples: Samples = VARIANTS
            .iter()
            .flat_map(|variant| ALL.map(|traffic| ((variant.name, traffic.name), vec![sample(variant.name)])))
            .collect();
        rows(&VARIANTS, &ALL, &samples)
    }

    #[test]
    fn every_target_refers_to_existing_variants() {
        assert!(verdicts(&results(|_| 1.0)).iter().all(|verdict| [1.0, 0.01].contains(&verdict.measured)));
    }

    #[test]
    fn a_target_is_met_up_to_and_including_its_bound() {
        let is_met = |added| {
            let results = results(|name| if name == "Lua" { 10.0 } else { added });
            let target = "sender logger, seed of Lua";
            verdicts(&results).iter().find(|verdict| verdict.target == target).unwrap().is_met
        };
        assert!(is_met(5.0));
        assert!(!is_met(5.01));
    }
}

//! The results of the variants.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    statistics::{interquartile_range, median},
    traffic::Traffic,
    variant::Variant,
};

/// The measured costs per request, by the names of variant and traffic. The unit is microseconds of CPU time, or
/// instructions.
pub(crate) type Samples = BTreeMap<(&'static str, &'static str), Vec<f64>>;

/// The results of one variant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The cost for each kind of traffic that was measured.
    pub(crate) costs: Vec<Cost>,
}

/// The cost of a variant for one kind of traffic, per request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) traffic: &'static str,
    /// The median of all samples.
    pub(crate) total: f64,
    /// The interquartile range of all samples.
    pub(crate) spread: f64,
    /// The cost that the variant adds to an Envoy without Wasm that answers with the same body.
    pub(crate) added: f64,
    /// The added cost as a multiple of what the variant's floor adds.
    pub(crate) of_floor: Option<f64>,
    pub(crate) samples: Vec<f64>,
}

impl Row {
    /// Returns the cost for one kind of traffic.
    pub(crate) fn cost(&self, traffic: &Traffic) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.traffic == traffic.name)
    }
}

impl Cost {
    /// Returns the added cost as a share of the cost without the variant.
    pub(crate) fn share(&self) -> f64 {
        self.added / (self.total - self.added)
    }
}

/// Returns the results of each variant.
pub(crate) fn rows(variants: &[Variant], traffics: &[Traffic], samples: &Samples) -> Vec<Row> {
    let median_of =
        |variant, traffic: &Traffic| samples.get(&(variant, traffic.name)).map_or(f64::NAN, |each| median(each));
    let cost = |variant: &Variant, traffic: &Traffic| {
        let each = samples.get(&(variant.name, traffic.name))?;
        let base = median_of(variant.body.base(), traffic);
        let added = median(each) - base;
        Some(Cost {
            traffic: traffic.name,
            total: median(each),
            spread: interquartile_range(each),
            added,
            of_floor: variant.floor.map(|floor| added / (median_of(floor, traffic) - base)),
            samples: each.clone(),
        })
    };
    let row = |variant: &Variant| Row {
        name: variant.name,
        costs: traffics.iter().filter_map(|traffic| cost(variant, traffic)).collect(),
    };
    variants.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        traffic::{BROWSER, HOST_ALONE},
        variant::VARIANTS,
    };

    #[test]
    fn added_costs_are_compared_with_an_envoy_without_wasm_and_with_the_floor() {
        let samples = Samples::from([
            (("no Wasm", BROWSER.name), vec![10.0]),
            (("floor filter, seed", BROWSER.name), vec![12.0]),
            (("sender filter, seed", BROWSER.name), vec![13.0, 12.0, 14.0]),
        ]);
        let rows = rows(&VARIANTS, &[HOST_ALONE, BROWSER], &samples);
        let sender = rows.iter().find(|row| row.name == "sender filter, seed").unwrap();
        let cost = sender.cost(&BROWSER).unwrap();
        assert_eq!((cost.total, cost.spread, cost.added, cost.of_floor), (13.0, 1.0, 3.0, Some(1.5)));
        assert!(sender.cost(&HOST_ALONE).is_none());
    }
}

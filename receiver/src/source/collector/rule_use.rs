//! Rules that publish nothing, and labels that nothing has.

use super::super::{
    reading::Label,
    rule::{DimensionSource, Rule},
    similar_names::is_near,
};

/// The most rules that a remark names.
const NAMED: usize = 3;

/// What the first answer had for a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleUse {
    /// A metric that it matches, and the labels of one series.
    example: Option<(String, Vec<String>)>,
    /// Whether there were lines of a metric that it matches, though they could not be read.
    is_named: bool,
    /// A bit for each of its dimensions whose label a series has.
    labels: u32,
}

impl RuleUse {
    /// Takes in a series that the rule matches.
    pub(super) fn note(&mut self, rule: &Rule, name: &str, labels: &[Label<'_>]) {
        for (index, (_, source)) in (0..u32::BITS).zip(&rule.dimensions) {
            if matches!(source, DimensionSource::Label(label, _) if labels.iter().any(|known| known.name == *label)) {
                self.labels |= 1_u32 << index;
            }
        }
        if self.example.is_none() {
            let labels = labels.iter().map(|label| label.name.chars().take(64).collect()).take(16).collect();
            self.example = Some((name.to_owned(), labels));
        }
    }

    /// Takes in a line of a metric that the rule matches, which could not be read.
    pub(super) fn note_name(&mut self) {
        self.is_named = true;
    }

    /// Returns whether there was a metric that the rule matches.
    pub(super) fn has_matched(&self) -> bool {
        self.example.is_some() || self.is_named
    }

    /// Returns a sentence about a label that no series has. A label that has a default may well be
    /// absent, unless one of nearly the same name is there.
    fn fault(&self, index: usize, rule: &Rule) -> Option<String> {
        let (name, labels) = self.example.as_ref()?;
        let (dimension, label, near) =
            (0..u32::BITS).zip(&rule.dimensions).find_map(|(bit, (dimension, source))| {
                let DimensionSource::Label(label, default) = source else { return None };
                let near = labels.iter().find(|known| is_near(label, known));
                let is_fault = self.labels & (1_u32 << bit) == 0 && (default.is_none() || near.is_some());
                is_fault.then_some((dimension, label, near))
            })?;
        let what = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if labels.is_empty() => "they have no labels".to_owned(),
            None => format!("they have {}", labels.join(", ")),
        };
        Some(format!("rules[{index}].dimensions.{dimension}: no series of \"{name}\" has a label \"{label}\"; {what}"))
    }
}

/// Returns a remark about labels that no series has, if there are such.
pub(super) fn missing_labels(rules: &[Rule], uses: &[RuleUse]) -> Option<String> {
    let faults = (0..).zip(rules).zip(uses).filter_map(|((index, rule), used)| used.fault(index, rule));
    let mut faults: Vec<_> = faults.take(NAMED.saturating_add(1)).collect();
    let has_more = faults.len() > NAMED;
    faults.truncate(NAMED);
    let more = if has_more { "; and others" } else { "" };
    (!faults.is_empty()).then(|| faults.join("; ") + more)
}

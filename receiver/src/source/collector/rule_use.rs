//! Detects rules that match no metric and labels that no series has.

use super::super::{
    reading::Label,
    rule::{DimensionSource, Rule},
    similar_names::is_similar,
};

/// The maximum number of problems in a remark.
const MAX_PROBLEMS: usize = 3;

/// The matches of a rule in the first response.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleUse {
    /// A metric that matches, with the labels of one series.
    example: Option<(String, Vec<String>)>,
    /// True if lines with a matching name could not be parsed.
    is_named: bool,
    /// A bit for each dimension of the rule, set if a series has its label.
    labels: u32,
}

impl RuleUse {
    /// Records a series that matches the rule.
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

    /// Records a line that could not be parsed and whose name matches the rule.
    pub(super) fn note_name(&mut self) {
        self.is_named = true;
    }

    /// Returns true if a metric matches the rule.
    pub(super) fn has_matched(&self) -> bool {
        self.example.is_some() || self.is_named
    }

    /// Returns a sentence about a label that no series has. A label with a default may be absent, unless a similar
    /// label exists.
    fn problem(&self, index: usize, rule: &Rule) -> Option<String> {
        let (name, labels) = self.example.as_ref()?;
        let (dimension, label, similar) =
            (0..u32::BITS).zip(&rule.dimensions).find_map(|(bit, (dimension, source))| {
                let DimensionSource::Label(label, default) = source else { return None };
                let similar = labels.iter().find(|known| is_similar(label, known));
                let is_fault = self.labels & (1_u32 << bit) == 0 && (default.is_none() || similar.is_some());
                is_fault.then_some((dimension, label, similar))
            })?;
        let hint = match similar {
            Some(similar) => format!("did you mean \"{similar}\"?"),
            None if labels.is_empty() => "it has no labels".to_owned(),
            None => format!("its labels are {}", labels.join(", ")),
        };
        Some(format!(
            "rules[{index}].dimensions.{dimension}: no series of \"{name}\" has the label \"{label}\"; {hint}"
        ))
    }
}

/// Returns a remark about labels that no series has, if there are any.
pub(super) fn missing_labels(rules: &[Rule], uses: &[RuleUse]) -> Option<String> {
    let problems = (0..).zip(rules).zip(uses).filter_map(|((index, rule), used)| used.problem(index, rule));
    let mut problems: Vec<_> = problems.take(MAX_PROBLEMS.saturating_add(1)).collect();
    let has_more = problems.len() > MAX_PROBLEMS;
    problems.truncate(MAX_PROBLEMS);
    let more = if has_more { "; and others" } else { "" };
    (!problems.is_empty()).then(|| problems.join("; ") + more)
}

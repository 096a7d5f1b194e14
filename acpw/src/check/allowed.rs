//! Comments that allow what a rule forbids.

use super::finding::Finding;
use crate::inventory::Inventory;

/// The comment, which the identifiers of rules follow: `# acpw-allow: open-gateway`.
const MARK: &str = "acpw-allow:";

/// Returns true if a comment on the finding's line, or on the comment lines directly above it, names its rule.
pub(super) fn is_allowed(inventory: &Inventory, finding: &Finding) -> bool {
    let Some(file) = inventory.files.get(finding.file) else { return false };
    let text = file.text.as_str();
    let end = text.get(finding.span.start..).and_then(|rest| rest.find('\n'));
    let end = end.map_or(text.len(), |length| finding.span.start.saturating_add(length));
    let mut lines = text.get(..end).unwrap_or_default().lines().rev();
    let names_rule = |line: &str| {
        let comment = line.split_once('#').and_then(|(_, comment)| comment.split_once(MARK));
        let names = comment.map(|(_, names)| names.split([',', ' ']));
        names.is_some_and(|mut names| names.any(|name| name.trim_end_matches(['.', ';', ':']) == finding.rule.id))
    };
    let own = lines.next().is_some_and(names_rule);
    own || lines.take_while(|line| line.trim_start().starts_with('#')).any(names_rule)
}

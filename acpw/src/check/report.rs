//! Findings for people and for programs.

use std::{fmt::Write as _, ops::Range};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::finding::{Finding, Severity};
use crate::{inventory::Inventory, secret, source_file::SourceFile};

/// Renders findings with excerpts, and a line with their numbers.
pub(super) fn text(inventory: &Inventory, findings: &[Finding], has_colour: bool) -> String {
    let renderer = if has_colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for finding in findings {
        text.push_str(&render(inventory, finding, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&summary(inventory, findings));
    text.push('\n');
    text
}

fn render(inventory: &Inventory, finding: &Finding, renderer: &Renderer) -> String {
    let level = match finding.rule.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let Some(file) = inventory.files.get(finding.file) else { return String::new() };
    let label = Some(finding.label.as_str()).filter(|label| !label.is_empty());
    let mut marks = vec![AnnotationKind::Primary.span(file.first_line(&finding.span)).label(label)];
    let mut other = None;
    if let Some((related, span, label)) = &finding.related {
        match inventory.files.get(*related) {
            Some(_) if *related == finding.file => {
                marks.push(AnnotationKind::Context.span(file.first_line(span)).label(label));
            }
            Some(file) => {
                other = Some(excerpt(file, [AnnotationKind::Context.span(file.first_line(span)).label(label)]));
            }
            None => {}
        }
    }
    let group = Group::with_title(level.primary_title(&finding.message).id(finding.rule.id))
        .element(excerpt(file, marks))
        .elements(other)
        .element(Level::HELP.message(&finding.remedy))
        .element(Level::NOTE.message(format!("see {}", finding.document)));
    renderer.render(&[group])
}

fn excerpt<'f>(file: &'f SourceFile, marks: impl IntoIterator<Item = Annotation<'f>>) -> Snippet<'f, Annotation<'f>> {
    let path = file.path.display().to_string();
    Snippet::source(secret::masked(file.text.as_str())).path(path).annotations(marks)
}

fn summary(inventory: &Inventory, findings: &[Finding]) -> String {
    let (errors, warnings) = numbers(findings);
    let mut text =
        format!("{} in {}: ", counted(inventory.plugins.len(), "module"), counted(inventory.files.len(), "file"));
    let written = match (errors, warnings) {
        (0, 0) => write!(text, "no errors, no warnings"),
        _ => write!(text, "{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
    text
}

fn numbers(findings: &[Finding]) -> (usize, usize) {
    let errors = findings.iter().filter(|finding| finding.rule.severity == Severity::Error).count();
    (errors, findings.len().saturating_sub(errors))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns findings as JSON.
pub(super) fn json(inventory: &Inventory, findings: &[Finding]) -> Value {
    let (errors, warnings) = numbers(findings);
    let modules: Vec<Value> = inventory
        .plugins
        .iter()
        .map(|plugin| {
            let mut module = position(inventory, inventory.file_of(plugin.scope), &plugin.span);
            set(&mut module, "module", plugin.kind.name());
            set(&mut module, "vm_id", plugin.vm_id());
            module
        })
        .collect();
    let findings: Vec<Value> = findings.iter().map(|finding| finding_json(inventory, finding)).collect();
    json!({ "errors": errors, "warnings": warnings, "findings": findings, "modules": modules })
}

fn finding_json(inventory: &Inventory, finding: &Finding) -> Value {
    let mut object = position(inventory, finding.file, &finding.span);
    for (key, value) in [
        ("rule", finding.rule.id),
        ("severity", finding.rule.severity.name()),
        ("message", &finding.message),
        ("remedy", &finding.remedy),
        ("document", finding.document),
    ] {
        set(&mut object, key, value);
    }
    if let (Some((file, span, label)), Value::Object(members)) = (&finding.related, &mut object) {
        let mut related = position(inventory, *file, span);
        set(&mut related, "label", label);
        members.insert("related".to_owned(), related);
    }
    object
}

fn position(inventory: &Inventory, file: usize, span: &Range<usize>) -> Value {
    let Some(file) = inventory.files.get(file) else { return json!({}) };
    let (line, column) = file.position(span.start);
    json!({ "file": file.path.display().to_string(), "line": line, "column": column })
}

fn set(object: &mut Value, key: &str, value: &str) {
    if let Value::Object(members) = object {
        members.insert(key.to_owned(), Value::from(value));
    }
}

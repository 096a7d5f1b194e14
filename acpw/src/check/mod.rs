//! `acpw check`: reads the configurations of modules with the modules' own parsers, and compares them with the rest of
//! Envoy's configuration.

mod allowed;
mod attachment;
mod cluster_use;
mod configuration;
mod connection;
mod exposure;
pub mod finding;
mod references;
mod report;
mod variables;
mod version;

use std::{cell::RefCell, collections::BTreeSet, io::Write, ops::Range, process::ExitCode};

use self::finding::{Finding, Rule, Severity};
pub use self::version::EnvoyVersion;
use crate::{
    deployment::FileArguments,
    environment::Environment,
    inventory::Inventory,
    output,
    plugin::{ModuleKind, Plugin},
};

/// Check modules' configurations and what Envoy must provide for them
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: FileArguments,
    /// The oldest version of Envoy that is to run the files, such as 1.36
    #[arg(long, value_name = "VERSION")]
    envoy: Option<EnvoyVersion>,
    /// Do not report this rule; may be repeated
    #[arg(long, value_name = "RULE", value_parser = clap::builder::PossibleValuesParser::new(rule_names()))]
    allow: Vec<String>,
    /// Exit with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

fn rule_names() -> Vec<&'static str> {
    finding::RULES.iter().map(|rule| rule.id).collect()
}

/// Runs the command; writes its result to `out`. The exit code is 1 if there are errors.
///
/// # Errors
/// Returns a message for a person if a file cannot be read or no file attaches a module.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let inventory = Inventory::read(&arguments.input.files)?;
    let mut findings = findings(&inventory, &arguments.input.environment(), arguments.envoy);
    findings.retain(|finding| !arguments.allow.iter().any(|id| id == finding.rule.id));
    if arguments.json {
        output::write_json(&report::json(&inventory, &findings), out)?;
    } else {
        output::write_text(&render(&inventory, &findings, output::has_colour()), out)?;
    }
    let fails = |finding: &Finding| arguments.deny_warnings || finding.rule.severity == Severity::Error;
    Ok(ExitCode::from(u8::from(findings.iter().any(fails))))
}

/// Checks everything in the files. Findings are in the order of the files, without those that a comment allows.
pub fn findings(inventory: &Inventory, environment: &Environment, envoy: Option<EnvoyVersion>) -> Vec<Finding> {
    let modules = inventory.plugins.iter().map(|plugin| Module::read(plugin, environment)).collect();
    let mut check = Check { inventory, environment, modules, findings: Vec::new() };
    check.configurations();
    check.attachments();
    check.references();
    check.clusters();
    check.connections();
    check.exposure();
    check.variables();
    if let Some(envoy) = envoy {
        check.version(envoy);
    }
    let mut findings = check.findings;
    findings.retain(|finding| !allowed::is_allowed(inventory, finding));
    findings.sort_by_key(|finding| (finding.file, finding.span.start, finding.rule.id));
    findings
}

/// Renders findings for a person, with excerpts of the files. Secrets in the excerpts are masked.
pub fn render(inventory: &Inventory, findings: &[Finding], has_colour: bool) -> String {
    report::text(inventory, findings, has_colour)
}

/// A configuration that the module's parser accepts.
enum Config {
    Sender(sender::SenderConfig),
    Receiver(receiver::ReceiverConfig),
    Gateway(gateway::Config),
}

/// A module, as its own parser reads it.
struct Module<'i> {
    plugin: &'i Plugin,
    config: Result<Config, acpw_config::ValidationErrors>,
    /// The variables that the parser looked for and that the VM does not have.
    missing_variables: BTreeSet<String>,
}

impl<'i> Module<'i> {
    fn read(plugin: &'i Plugin, environment: &Environment) -> Self {
        let missing = RefCell::new(BTreeSet::new());
        let variable = |name: &str| {
            let value = plugin.variables.value(name, environment);
            if value.is_none() {
                missing.borrow_mut().insert(name.to_owned());
            }
            value
        };
        let bytes = &plugin.configuration.bytes;
        let config = match plugin.kind {
            ModuleKind::Sender => sender::SenderConfig::from_json(bytes, variable).map(Config::Sender),
            ModuleKind::Receiver => receiver::ReceiverConfig::from_json(bytes, variable).map(Config::Receiver),
            ModuleKind::Gateway => gateway::Config::from_json(bytes, variable).map(Config::Gateway),
        };
        Self { plugin, config, missing_variables: missing.into_inner() }
    }

    /// Returns the configuration of a receiver that is valid.
    fn receiver(&self) -> Option<&receiver::ReceiverConfig> {
        if let Ok(Config::Receiver(config)) = &self.config { Some(config) } else { None }
    }
}

/// The state of a check.
struct Check<'i> {
    inventory: &'i Inventory,
    environment: &'i Environment,
    modules: Vec<Module<'i>>,
    findings: Vec<Finding>,
}

impl<'i> Check<'i> {
    /// Adds a finding in a scope.
    fn add(
        &mut self,
        rule: &'static Rule,
        (scope, span): (usize, Range<usize>),
        message: impl Into<String>,
        label: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let file = self.inventory.file_of(scope);
        self.findings.push(Finding {
            rule,
            file,
            span,
            message: message.into(),
            label: label.into(),
            remedy: remedy.into(),
            document: rule.document,
            related: None,
        });
    }

    /// Sets the document of the last finding, where that is not the same for all findings of its rule.
    fn refer_to(&mut self, document: &'static str) {
        if let Some(finding) = self.findings.last_mut() {
            finding.document = document;
        }
    }

    /// Adds another position to the last finding.
    fn relate(&mut self, file: usize, span: Range<usize>, label: &str) {
        if let Some(finding) = self.findings.last_mut() {
            finding.related = Some((file, span, label.to_owned()));
        }
    }

    /// Returns the plugins of a kind.
    fn plugins(&self, kind: ModuleKind) -> impl Iterator<Item = &'i Plugin> + use<'i> {
        self.inventory.plugins.iter().filter(move |plugin| plugin.kind == kind)
    }
}

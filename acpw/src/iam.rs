//! `acpw iam`.

use std::{collections::BTreeSet, io::Write, process::ExitCode};

use receiver::credentials::Provider;
use serde::Serialize;
use serde_json::json;

use crate::{
    deployment::Deployment,
    environment::Environment,
    input::{self, Input},
    policy::{Condition, Policy, Principal, Statement},
    publication::Publication,
};

/// Write the smallest IAM policy that a configuration needs
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// The identity whose policy to print, if a provider assumes a role: the role's ARN, or `source` for the identity
    /// that assumes it
    #[arg(long, value_name = "ARN|source", conflicts_with = "trust")]
    identity: Option<String>,
    /// Print the trust policy of the role instead
    #[arg(long, value_enum)]
    trust: Option<Trust>,
    /// The issuer of the EKS cluster, with or without https://, for --trust irsa
    #[arg(long, value_name = "ISSUER", required_if_eq("trust", "irsa"))]
    oidc_provider: Option<String>,
    /// The service account, for --trust irsa and optionally pod-identity
    #[arg(long, value_name = "NAMESPACE/NAME", required_if_eq("trust", "irsa"))]
    service_account: Option<String>,
    /// The ID of the account, which --trust irsa needs and to which --trust ecs restricts the tasks
    #[arg(long, value_name = "ID", required_if_eq("trust", "irsa"))]
    account: Option<String>,
    /// The partition of the account
    #[arg(long, default_value = "aws")]
    partition: String,
}

/// Who may assume the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Trust {
    /// A service account of EKS, by its token (IRSA).
    Irsa,
    /// EKS Pod Identity.
    PodIdentity,
    /// Tasks of Amazon ECS.
    Ecs,
    /// EC2 instances.
    Ec2,
}

/// The policy of one identity.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct IdentityPolicy {
    /// The ARN of a role that a provider assumes, or the providers whose identity is meant.
    identity: String,
    policy: Policy,
}

/// The identity that assumes a role, in arguments.
const SOURCE: &str = "source";

/// Runs the command; writes its result to `out`.
///
/// # Errors
/// Returns a message for a person if the command cannot be carried out.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, String> {
    let deployment = arguments.input.deployment()?;
    if let Some(trust) = arguments.trust {
        let policy = trust_policy(trust, arguments)?;
        return match arguments.input.json {
            true => input::write_json(&json!({ "document": policy, "notes": [] }), out),
            false => input::write_json(&policy, out),
        };
    }
    let (mut policies, mut notes) = policies(&deployment, &arguments.input.environment())?;
    let is_several = policies.iter().any(|one| policies.first().is_some_and(|first| first.policy != one.policy));
    if is_several && arguments.identity.is_none() {
        notes.push("the output has a policy for each identity; --identity prints one".to_owned());
    }
    if let Some(identity) = &arguments.identity {
        let is_wanted = |one: &IdentityPolicy| match identity.as_str() {
            SOURCE => !one.identity.starts_with("arn:"),
            arn => one.identity == arn,
        };
        policies.retain(is_wanted);
        if policies.is_empty() {
            return Err(format!("--identity {}: no provider has this identity", identity.escape_default()));
        }
    }
    if arguments.input.json {
        return input::write_json(&json!({ "policies": policies, "notes": notes }), out);
    }
    input::write_notes(&notes);
    match policies.as_slice() {
        [first, others @ ..] if others.iter().all(|other| other.policy == first.policy) => {
            input::write_json(&first.policy, out)
        }
        several => input::write_json(&several, out),
    }
}

/// Returns the policies that the receivers' identities need, and remarks.
fn policies(deployment: &Deployment, environment: &Environment) -> Result<(Vec<IdentityPolicy>, Vec<String>), String> {
    if deployment.receivers.is_empty() {
        return Err("the files configure no receiver, which is the module that calls AWS".to_owned());
    }
    let mut notes = Vec::new();
    let namespaces = namespaces(deployment, environment, &mut notes)?;
    let mut policies: Vec<IdentityPolicy> = Vec::new();
    for receiver in &deployment.receivers {
        for provider in &receiver.config.credentials {
            add_provider(provider, publish(&namespaces), &mut policies);
            if matches!(provider, Provider::Envoy) {
                notes.push(
                    "Envoy signs the requests, so the policy belongs to the identity that Envoy finds".to_owned(),
                );
            }
        }
    }
    Ok((policies, notes))
}

/// Adds a statement to the identity of a provider, and the permission to assume that identity to its source.
fn add_provider(provider: &Provider, statement: Statement, policies: &mut Vec<IdentityPolicy>) {
    let identity = match provider.assumed_role() {
        Some((role, source)) => {
            add_provider(source, assume(role), policies);
            role.to_owned()
        }
        None => format!("identity of the provider {}", provider.name()),
    };
    match policies.iter_mut().find(|known| known.identity == identity) {
        Some(known) if known.policy.statement.contains(&statement) => {}
        Some(known) => known.policy.statement.push(statement),
        None => policies.push(IdentityPolicy { identity, policy: Policy::new(statement) }),
    }
}

/// Returns the namespaces that are published to, or `None` if they are not limited.
fn namespaces(
    deployment: &Deployment,
    environment: &Environment,
    notes: &mut Vec<String>,
) -> Result<Option<BTreeSet<String>>, String> {
    let publication = Publication::new(deployment, environment)?;
    let mut namespaces: BTreeSet<String> = publication.metrics.into_iter().map(|set| set.namespace).collect();
    for gateway in &deployment.gateways {
        let accepted = &gateway.config.rules.namespaces;
        if accepted.is_empty() {
            notes.push(format!(
                "{}:{}: the gateway accepts every namespace, so the policy has no condition; its key namespaces limits it",
                gateway.file.display(),
                gateway.line
            ));
            return Ok(None);
        }
        namespaces.extend(accepted.iter().map(ToString::to_string));
    }
    if namespaces.is_empty() {
        // Senders in other files hand over to this receiver.
        namespaces.extend(deployment.receivers.iter().map(|receiver| receiver.config.namespace.to_string()));
    }
    Ok(Some(namespaces))
}

/// Returns the permission to publish.
fn publish(namespaces: &Option<BTreeSet<String>>) -> Statement {
    let condition = namespaces.as_ref().map(|namespaces| {
        Condition::string_equals([("cloudwatch:namespace".to_owned(), namespaces.iter().cloned().collect())])
    });
    Statement {
        effect: "Allow",
        principal: None,
        action: vec!["cloudwatch:PutMetricData".to_owned()],
        resource: Some("*".to_owned()),
        condition,
    }
}

/// Returns the permission to assume a role.
fn assume(role: &str) -> Statement {
    Statement {
        effect: "Allow",
        principal: None,
        action: vec!["sts:AssumeRole".to_owned()],
        resource: Some(role.to_owned()),
        condition: None,
    }
}

/// Returns a trust policy.
fn trust_policy(trust: Trust, arguments: &Arguments) -> Result<Policy, String> {
    let account = arguments.account.as_deref();
    if let Some(account) = account.filter(|account| account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(format!("--account must be 12 digits, got \"{}\"", account.escape_default()));
    }
    let service_account = arguments.service_account.as_deref().map(service_account).transpose()?;
    let service = |name: &str| Some(Principal::Service(name.to_owned()));
    let mut equals: Vec<(String, Vec<String>)> = Vec::new();
    let (principal, action) = match trust {
        Trust::Irsa => {
            let issuer = arguments.oidc_provider.as_deref().unwrap_or_default();
            let issuer = issuer.strip_prefix("https://").unwrap_or(issuer).trim_end_matches('/');
            if issuer.is_empty() || !issuer.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
                return Err("--oidc-provider must be the issuer of the cluster, such as \
                            oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF"
                    .to_owned());
            }
            let (namespace, name) = service_account.unwrap_or_default();
            let partition = &arguments.partition;
            equals.push((format!("{issuer}:aud"), vec!["sts.amazonaws.com".to_owned()]));
            equals.push((format!("{issuer}:sub"), vec![format!("system:serviceaccount:{namespace}:{name}")]));
            let account = account.unwrap_or_default();
            let provider = format!("arn:{partition}:iam::{account}:oidc-provider/{issuer}");
            (Some(Principal::Federated(provider)), vec!["sts:AssumeRoleWithWebIdentity"])
        }
        Trust::PodIdentity => {
            if let Some((namespace, name)) = service_account {
                equals.push(("aws:RequestTag/kubernetes-namespace".to_owned(), vec![namespace]));
                equals.push(("aws:RequestTag/kubernetes-service-account".to_owned(), vec![name]));
            }
            (service("pods.eks.amazonaws.com"), vec!["sts:AssumeRole", "sts:TagSession"])
        }
        Trust::Ecs => (service("ecs-tasks.amazonaws.com"), vec!["sts:AssumeRole"]),
        Trust::Ec2 => (service("ec2.amazonaws.com"), vec!["sts:AssumeRole"]),
    };
    if let (Some(account), Trust::Ecs) = (account, trust) {
        equals.push(("aws:SourceAccount".to_owned(), vec![account.to_owned()]));
    }
    Ok(Policy::new(Statement {
        effect: "Allow",
        principal,
        action: action.into_iter().map(str::to_owned).collect(),
        resource: None,
        condition: (!equals.is_empty()).then(|| Condition::string_equals(equals)),
    }))
}

/// Splits `NAMESPACE/NAME`.
fn service_account(text: &str) -> Result<(String, String), String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    };
    match text.split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok((namespace.to_owned(), name.to_owned())),
        _ => Err(format!("--service-account must be NAMESPACE/NAME, got \"{}\"", text.escape_default())),
    }
}

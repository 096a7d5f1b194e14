//! IAM policies.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    /// The version of the policy language.
    pub version: &'static str,
    /// The statements.
    pub statement: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// `Allow`.
    pub effect: &'static str,
    /// Who may assume a role; only in trust policies.
    #[serde(skip_serializing_if = "is_absent")]
    pub principal: Option<Principal>,
    /// The actions.
    #[serde(serialize_with = "one_or_list")]
    pub action: Vec<String>,
    /// The resource; not in trust policies.
    #[serde(skip_serializing_if = "is_absent")]
    pub resource: Option<String>,
    /// The condition.
    #[serde(skip_serializing_if = "is_absent")]
    pub condition: Option<Condition>,
}

/// Who may assume a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Principal {
    /// A service of AWS.
    Service(String),
    /// An identity provider, by its ARN.
    Federated(String),
}

/// A condition: each key must have one of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Condition {
    string_equals: BTreeMap<String, OneOrList>,
}

/// A value, or a list of values.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OneOrList(Vec<String>);

impl Policy {
    /// Creates a policy with one statement.
    pub fn new(statement: Statement) -> Self {
        Self { version: "2012-10-17", statement: vec![statement] }
    }
}

impl Condition {
    /// Creates a condition on the values of keys.
    pub fn string_equals(keys: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        Self { string_equals: keys.into_iter().map(|(key, values)| (key, OneOrList(values))).collect() }
    }
}

impl Serialize for OneOrList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        one_or_list(&self.0, serializer)
    }
}

/// Returns true for a member that the document leaves out.
fn is_absent<T>(member: &Option<T>) -> bool {
    member.is_none()
}

/// Writes one text as a text, and several as a list.
fn one_or_list<S: Serializer>(list: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match list {
        [only] => serializer.serialize_str(only),
        several => serializer.collect_seq(several),
    }
}

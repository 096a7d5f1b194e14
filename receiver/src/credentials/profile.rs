//! Parses profiles in the shared credentials file and the shared config file as AWS SDKs do.

use std::fmt;

use acpw_config::Secret;

/// The kind of file. The names of profiles are written differently in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `[name]`
    Credentials,
    /// `[profile name]`, and `[default]`.
    Config,
}

/// The keys of a profile. `Debug` shows no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `aws_access_key_id`
    pub access_key_id: Option<String>,
    /// `aws_secret_access_key`
    pub secret_access_key: Option<Secret>,
    /// `aws_session_token`
    pub session_token: Option<Secret>,
}

/// An invalid line. The error does not show its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The line number, from 1.
    pub line: usize,
    /// A description of what is wrong.
    pub fault: &'static str,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl std::error::Error for ProfileError {}

/// The white space in these files. Other white space is part of a name or value.
const SPACE: [char; 2] = [' ', '\t'];
const COMMENT: [char; 2] = ['#', ';'];

/// Returns the profile with this name, or `None` if the file does not contain it. Profiles with the same name are
/// merged, and the last value of a key wins. In the config file, `[profile default]` replaces `[default]`.
///
/// # Errors
/// The first invalid line, in any profile. A partly valid file is not used.
pub fn find_profile(text: &str, kind: FileKind, name: &str) -> Result<Option<Profile>, ProfileError> {
    let mut reader = Parser { kind, name, found: None, is_prefixed: false, position: Position::Start };
    for (index, line) in text.lines().enumerate() {
        reader.line(line).map_err(|fault| ProfileError { line: index.saturating_add(1), fault })?;
    }
    Ok(reader.found.map(|keys| {
        let [access_key_id, secret_access_key, session_token] = keys;
        let secret = |text: Option<String>| text.map(Secret::new);
        Profile { access_key_id, secret_access_key: secret(secret_access_key), session_token: secret(session_token) }
    }))
}

/// The values of [`KEYS`].
type Values = [Option<String>; 3];

const KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

struct Parser<'a> {
    kind: FileKind,
    name: &'a str,
    found: Option<Values>,
    /// True if `[profile default]` was found, with which `[default]` is not merged.
    is_prefixed: bool,
    position: Position,
}

#[derive(Clone, Copy)]
enum Position {
    /// Before the first section.
    Start,
    Section {
        is_wanted: bool,
        property: Option<Property>,
    },
}

#[derive(Clone, Copy)]
struct Property {
    /// The index in [`KEYS`], if it is one of them.
    key: Option<usize>,
    /// True if the value is empty. Indented lines after it are nested properties.
    has_parts: bool,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if line.trim_matches(SPACE).is_empty() || line.starts_with(COMMENT) {
            Ok(())
        } else if line.starts_with('[') {
            self.section(line)
        } else if line.starts_with(SPACE) {
            self.continuation(line)
        } else {
            self.property(line)
        }
    }

    fn section(&mut self, line: &str) -> Result<(), &'static str> {
        let inner = line.split(COMMENT).next().unwrap_or_default().trim_matches(SPACE);
        let inner = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let inner = inner.ok_or("a profile's name must end with ]")?.trim_matches(SPACE);
        let (prefix, name) = match inner.split_once(SPACE) {
            Some((prefix, name)) => (Some(prefix.trim()), name.trim()),
            None => (None, inner.trim()),
        };
        let is_default = self.name == "default";
        let is_profile = match (self.kind, prefix) {
            (FileKind::Credentials, None) | (FileKind::Config, Some("profile")) => true,
            (FileKind::Config, None) => is_default && !self.is_prefixed,
            (FileKind::Credentials | FileKind::Config, Some(_)) => false,
        };
        let is_wanted = is_profile && name == self.name;
        if is_wanted && is_default && prefix.is_some() && !self.is_prefixed {
            self.is_prefixed = true;
            self.found = None;
        }
        if is_wanted {
            self.found.get_or_insert_default();
        }
        self.position = Position::Section { is_wanted, property: None };
        Ok(())
    }

    fn property(&mut self, line: &str) -> Result<(), &'static str> {
        let Position::Section { is_wanted, property } = &mut self.position else {
            return Err("a property must be within a profile");
        };
        let (name, value) = parts(line)?;
        let key = KEYS.iter().position(|key| key.eq_ignore_ascii_case(name));
        *property = Some(Property { key, has_parts: value.is_empty() });
        if let (true, Some(slot)) = (*is_wanted, slot(&mut self.found, key)) {
            *slot = Some(value.to_owned());
        }
        Ok(())
    }

    /// Handles an indented line, which continues the value above it.
    fn continuation(&mut self, line: &str) -> Result<(), &'static str> {
        let (is_wanted, property) = match self.position {
            Position::Start => return Err("a property must be within a profile"),
            Position::Section { property: None, .. } => return Err("an indented line must follow a property"),
            Position::Section { is_wanted, property: Some(property) } => (is_wanted, property),
        };
        if property.has_parts {
            parts(line)?;
        }
        if let (true, Some(Some(value))) = (is_wanted, slot(&mut self.found, property.key)) {
            value.push('\n');
            value.push_str(line.trim_matches(SPACE));
        }
        Ok(())
    }
}

fn slot(found: &mut Option<Values>, key: Option<usize>) -> Option<&mut Option<String>> {
    found.as_mut()?.get_mut(key?)
}

/// Splits a property into its name and value, without a trailing comment.
fn parts(line: &str) -> Result<(&str, &str), &'static str> {
    let line = without_comment(line.trim_matches(SPACE)).trim_matches(SPACE);
    let (name, value) = line.split_once('=').ok_or("a property must have an =")?;
    let name = name.trim_matches(SPACE);
    if name.is_empty() { Err("a property must have a name") } else { Ok((name, value.trim_matches(SPACE))) }
}

/// Removes a trailing comment. It must follow white space; otherwise it is part of the value.
fn without_comment(line: &str) -> &str {
    let mut is_after_space = false;
    for (index, c) in line.char_indices() {
        if is_after_space && COMMENT.contains(&c) {
            return line.get(..index).unwrap_or(line);
        }
        is_after_space = c.is_whitespace();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str, kind: FileKind, name: &str) -> Result<Option<String>, ProfileError> {
        find_profile(text, kind, name).map(|profile| profile.and_then(|profile| profile.access_key_id))
    }

    #[test]
    fn each_kind_of_file_has_its_own_syntax_for_names() {
        let text = "[a]\naws_access_key_id=1\n[profile b]\naws_access_key_id=2\n[ default ]\naws_access_key_id=3\n\
            [sso-session d]\naws_access_key_id=4\n[\re]\naws_access_key_id=5\n";
        let found = |kind| ["a", "b", "default", "d", "profile b", "e"].map(|name| id(text, kind, name).unwrap());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found(FileKind::Credentials), [some("1"), None, some("3"), None, None, some("5")]);
        assert_eq!(found(FileKind::Config), [None, some("2"), some("3"), None, None, None]);
    }

    #[test]
    fn a_prefixed_default_replaces_a_plain_one() {
        for text in [
            "[default]\naws_access_key_id=1\n[profile default]\naws_session_token=t",
            "[profile default]\naws_session_token=t\n[default]\naws_access_key_id=1",
        ] {
            let profile = find_profile(text, FileKind::Config, "default").unwrap().unwrap();
            assert_eq!((profile.access_key_id, profile.session_token), (None, Some(Secret::new("t"))), "{text}");
        }
    }

    #[test]
    fn an_error_has_the_line_number_but_not_the_text() {
        let cases = [
            ("secret=1", 1, "a property must be within a profile"),
            ("\n  secret", 2, "a property must be within a profile"),
            ("[secret\n", 1, "a profile's name must end with ]"),
            ("[a]\n# c\nsecret", 3, "a property must have an ="),
            ("[a]\n=secret", 2, "a property must have a name"),
            ("[a]\n secret", 2, "an indented line must follow a property"),
            ("[a]\ns3 =\n  secret", 3, "a property must have an ="),
        ];
        for (text, line, fault) in cases {
            let error = find_profile(text, FileKind::Credentials, "b").unwrap_err();
            assert_eq!(error, ProfileError { line, fault }, "{text}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }
}

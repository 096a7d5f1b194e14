//! Compares the profile parser with that of the AWS SDK on generated files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that traps has failed")]

use acpw_config::Secret;
use aws_runtime::env_config::{
    file::{EnvConfigFileKind, EnvConfigFiles},
    section::EnvConfigSections,
    source,
};
use aws_types::os_shim_internal::{Env, Fs};
use proptest::{collection::vec, prelude::*, sample::select, strategy::ValueTree};
use receiver::credentials::{FileKind, find_profile};

const NAMES: [&str; 4] = ["default", "a", "b-2", "c/d@e"];

/// Section headers, with one spelling per name. The SDK merges different spellings of a name in random order.
const SECTIONS: [&str; 14] = [
    "[default]",
    "[a]",
    "[ b-2\t]",
    "[c/d@e] # comment",
    "[profile default]",
    "[profile a]# comment",
    "[profile\tb-2]",
    "[profile   c/d@e ]",
    "[sso-session a]",
    "[services b-2]",
    "[a b c]",
    "[a!]",
    "[unfinished",
    "[unfinished#]",
];

fn line() -> impl Strategy<Value = String> {
    let key = select(vec![
        "aws_access_key_id",
        "AWS_Access_Key_Id",
        "aws_secret_access_key",
        "aws_session_token",
        "region",
        "s3",
        "bad key",
        "",
    ]);
    let value = select(vec![
        "", "1", "AKIA", "x=y==", "a#b", "a #b", "a\t;b", "a;b", "a b", " #b", "é", "\u{a0}#x", "\"q\"", "[x]", "# c",
    ]);
    let space = || select(vec!["", " ", "\t", "  "]);
    let property = (key, space(), select(vec!["=", "=", "=", "=", "=", ""]), space(), value, space());
    let property = property.prop_map(|(key, a, equals, b, value, c)| format!("{key}{a}{equals}{b}{value}{c}"));
    let other = select(vec!["", " ", "\t\t", "# comment", "; comment", "  # no comment", " x = y", "\tx", "\u{a0}x=y"]);
    prop_oneof![
        3 => select(SECTIONS.as_slice()).prop_map(str::to_owned),
        8 => property,
        2 => other.prop_map(str::to_owned),
    ]
}

/// Generates files that are mostly valid, because few files with many invalid lines would be parsed to the end.
fn file() -> impl Strategy<Value = String> {
    let is_valid = |line: &String| !line.starts_with("[unfinished") && !line.trim_start().starts_with('=');
    let valid_line = line().prop_filter("valid", is_valid);
    let lines = prop_oneof![4 => vec(valid_line, 0..12).boxed(), 1 => vec(line(), 0..12).boxed()];
    let first = select(vec!["[default]", "[a]", "[profile a]", "[profile default]", "# comment", ""]);
    (first, lines, select(vec!["\n", "\r\n"]))
        .prop_map(|(first, lines, end)| [&[first.to_owned()], lines.as_slice()].concat().join(end))
}

type Keys = [Option<String>; 3];

/// Returns the keys of every profile according to the SDK, or its error.
fn parse_with_sdk(text: &str, kind: FileKind) -> Result<Vec<Option<Keys>>, String> {
    let kind = match kind {
        FileKind::Credentials => EnvConfigFileKind::Credentials,
        FileKind::Config => EnvConfigFileKind::Config,
    };
    let files = EnvConfigFiles::builder().with_contents(kind, text).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let source = runtime.block_on(source::load(&Env::from_slice(&[]), &Fs::from_slice(&[]), &files)).unwrap();
    let sections = EnvConfigSections::parse(source).map_err(|error| error.to_string())?;
    let keys = |name| {
        let profile = sections.get_profile(name)?;
        let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
        Some(keys.map(|key| profile.get(key).map(str::to_owned)))
    };
    Ok(NAMES.into_iter().map(keys).collect())
}

fn parse(text: &str, kind: FileKind) -> Result<Vec<Option<Keys>>, String> {
    let exposed = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
    let keys = |name| {
        let profile = find_profile(text, kind, name).map_err(|error| error.to_string())?;
        Ok(profile
            .map(|profile| [profile.access_key_id, exposed(profile.secret_access_key), exposed(profile.session_token)]))
    };
    NAMES.into_iter().map(keys).collect()
}

fn compare(text: &str) -> Result<bool, TestCaseError> {
    let mut has_keys = false;
    for kind in [FileKind::Credentials, FileKind::Config] {
        match (parse(text, kind), parse_with_sdk(text, kind)) {
            (Ok(ours), Ok(theirs)) => {
                has_keys |= ours.iter().flatten().flatten().any(Option::is_some);
                prop_assert_eq!(ours, theirs, "{:?} {}", kind, text);
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{kind:?} {text:?}: {ours:?} {theirs:?}"),
        }
    }
    Ok(has_keys)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn files_are_parsed_as_the_sdk_parses_them(text in file()) {
        compare(&text)?;
    }

    #[test]
    fn noise_is_parsed_as_the_sdk_parses_it(text in "[\\[\\]a=#; \t\r\n]{0,40}") {
        compare(&text)?;
    }
}

#[test]
fn many_generated_files_have_keys() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let with_keys = (0..500).filter(|_| compare(&file().new_tree(&mut runner).unwrap().current()).unwrap()).count();
    assert!(with_keys > 100, "{with_keys}");
}

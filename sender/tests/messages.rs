//! A golden file of all messages of the sender: `messages.txt` contains every configuration error, every configuration
//! warning and every log line, so that they can be reviewed as texts.
//!
//! `UPDATE_MESSAGES=1 cargo test -p acpw-sender --test messages` writes the file.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, and this one reads an environment variable"
)]

use std::{env, fmt::Write as _, fs, path::Path};

use sender::{Level, LogLine, SenderConfig};

/// The maximum length in characters of a document in the golden file.
const MAX_DOCUMENT: usize = 200;

/// The maximum number of messages of one case in the golden file.
const MAX_MESSAGES: usize = 10;

/// The source files whose string literals are messages, relative to the sender.
const SOURCES: [&str; 12] = [
    "src/config/dimensions.rs",
    "src/config/metric_selection.rs",
    "src/config/mod.rs",
    "src/context.rs",
    "src/host_matcher.rs",
    "src/log_line.rs",
    "src/path_template.rs",
    "../crates/config/src/field.rs",
    "../crates/config/src/object.rs",
    "../crates/config/src/validation_error.rs",
    "../crates/config/src/value.rs",
    "../crates/metric/src/text.rs",
];

/// String literals in these files that are not messages of the sender.
const OTHER_LITERALS: [&str; 6] = [
    "the feature exists to panic",
    "a test has asked for it",
    // The sender has no key whose value is a number with a fraction, a number or null, or a namespace.
    "a number",
    "a whole number, or null",
    "must be null or between {min} and {max}, got {value}",
    "must not start with \"AWS/\", which CloudWatch reserves",
];

/// The statuses of Envoy that the log lines contain.
#[derive(Debug)]
enum Status {
    InternalFailure,
}

/// A configuration that provokes errors or warnings.
struct Case {
    title: &'static str,
    document: String,
}

/// Creates a case whose configuration has a `receiver_vm_id` and these further keys.
fn case(title: &'static str, keys: &str) -> Case {
    Case { title, document: format!(r#"{{"receiver_vm_id": "r", {keys}}}"#) }
}

fn whole(title: &'static str, document: &str) -> Case {
    Case { title, document: document.to_owned() }
}

fn quoted(text: &str, count: usize) -> String {
    let list: Vec<_> = (0..count).map(|n| format!("\"{text}{n}\"")).collect();
    list.join(", ")
}

fn document_cases() -> Vec<Case> {
    let many_errors = format!(r#""match_hosts": [{}]"#, vec!["5"; 203].join(", "));
    vec![
        whole("an empty configuration", ""),
        whole("a configuration that is not JSON", r#"{"receiver_vm_id": }"#),
        whole("a configuration that is not an object", "[1]"),
        whole("a missing key", "{}"),
        whole("a value of the wrong type", r#"{"receiver_vm_id": 5}"#),
        case("an unknown key and a duplicate key", r#""match_host": [], "max_series": 1, "max_series": 2"#),
        case("more errors than are listed", &many_errors),
        case(
            "match_hosts",
            r#""match_hosts": ["*", "exa mple.com", "http://example.com", "example.com:99999", null, 7]"#,
        ),
        case("match_hosts of the wrong type", r#""match_hosts": "example.com""#),
        case("redundant hosts", r#""match_hosts": ["a.com", "*.b.com", "A.com.", "x.b.com", "a.com:80"]"#),
        case("numbers out of range", r#""max_series": 100001, "flush_interval_millisecond": 99"#),
        case("numbers of the wrong type", r#""max_series": 1.5, "flush_interval_millisecond": "1000""#),
        case(
            "a flush interval that is too long for data of every second",
            r#""flush_interval_millisecond": 2000, "metrics": [{"name": "Latency", "storage_resolution": 1}]"#,
        ),
        case("publish_zeros without minutes", r#""publish_zeros": {"minute": 5}"#),
        case("publish_zeros out of range", r#""publish_zeros": {"minutes": 0}"#),
        case("publish_zeros of the wrong type", r#""publish_zeros": 5"#),
        case("publish_zeros without effect", r#""publish_zeros": {"minutes": 5}, "metrics": ["Latency"]"#),
        case("entity", r#""entity": {"environment": " ", "service": "checkout"}"#),
        case(
            "an entity with a name that is too long",
            &format!(r#""entity": {{"environment": "é", "service_name": "{}"}}"#, "s".repeat(256)),
        ),
        case("publish_to without a service", r#""publish_to": []"#),
        case("publish_to with other services", r#""publish_to": ["otlp", "s3", "otlp", 1]"#),
        case("an entity of the wrong type", r#""entity": "checkout""#),
    ]
}

fn metric_cases() -> Vec<Case> {
    vec![
        case(
            "metrics",
            r#""metrics": ["RequestCount", "Latencies", "RequestCount", {"name": "Latency", "storage_resolution": 30},
                {"name": "5XXError", "unit": "Count"}, {}, 7, null]"#,
        ),
        case("no metrics", r#""metrics": []"#),
        case("time_unit", r#""time_unit": "Minutes""#),
        case("time_unit without effect", r#""time_unit": "Seconds""#),
        case(
            "concurrency out of range",
            r#""concurrency": 0, "metrics": ["ConcurrencyUtilization"],
            "dimension_sets": [["host"]]"#,
        ),
        case("concurrency missing", r#""metrics": ["ConcurrencyUtilization"], "dimension_sets": [["host"]]"#),
        case("concurrency without effect", r#""concurrency": 5"#),
        case("requests in flight by status", r#""metrics": ["RequestsInProgress"], "dimension_sets": [["status"]]"#),
    ]
}

fn dimension_cases() -> Vec<Case> {
    let long = "v".repeat(1025);
    let sets: Vec<_> = (0..33).map(|n| format!("[\"n{n}\"]")).collect();
    let definitions: Vec<_> = (0..33).map(|n| format!("\"n{n}\": \"v\"")).collect();
    let definitions = definitions.join(", ");
    vec![
        case(
            "names of dimensions",
            r#""dimensions": {"host": "x", ":name": "x", "": "x"}, "dimension_sets": [["host"]]"#,
        ),
        case(
            "constants",
            &format!(r#""dimensions": {{"A": "", "B": "é", "C": {{"value": "__other__"}}, "D": "{long}", "E": 5}}"#),
        ),
        case(
            "sources of dimensions",
            r#""dimensions": {"A": {"environment": "ZONE"}, "B": {"request_header": "a b"}, "C": {"property": "xds..name"},
                "D": {"built_in": "hosts"}, "E": {}, "F": {"value": "a", "property": "b"}, "G": {"header": "x"},
                "H": {"response_header": ""}}"#,
        ),
        case("a definition that no set contains", r#""dimensions": {"Zone": "b"}"#),
        case("dimensions of the wrong type", r#""dimensions": ["Zone"]"#),
        case(
            "dimension_sets",
            r#""dimension_sets": [["host", "Host", "host", 5], 5, ["status", "path"], ["path", "status"]]"#,
        ),
        case("no dimension sets", r#""dimension_sets": []"#),
        case(
            "more than 32 sets",
            &format!(r#""dimensions": {{{definitions}}}, "dimension_sets": [{}]"#, sets.join(", ")),
        ),
        case(
            "more than 30 dimensions in a set",
            &format!(r#""dimensions": {{{definitions}}}, "dimension_sets": [[{}]]"#, quoted("n", 33)),
        ),
        case(
            "path_templates",
            r#""dimension_sets": [["path_template"]], "path_templates": ["users", "/a?b", "/users/{id}", "/users/{name}",
                "/users/:id", "/a/<int:user>", "/files/*", "/static/**"]"#,
        ),
        case("path_template without templates", r#""dimension_sets": [["path_template"]]"#),
        case(
            "normalize_path together with path_templates",
            r#""dimension_sets": [["path_template"]], "path_templates": ["/a"], "normalize_path": true"#,
        ),
        case("path_templates without effect", r#""path_templates": ["/a"]"#),
        case("normalize_path without effect", r#""normalize_path": true"#),
        case("normalize_path of the wrong type", r#""normalize_path": "yes""#),
    ]
}

/// Returns the errors or warnings of a configuration.
fn messages(document: &str) -> Vec<String> {
    match SenderConfig::from_json(document.as_bytes(), |_| None) {
        Ok(config) => config.warnings.iter().map(|warning| format!("warning: {warning}")).collect(),
        Err(errors) => errors.lines().collect(),
    }
}

/// Returns the text of all messages of the sender.
fn all_messages() -> String {
    let mut text = "Configuration errors and warnings\n".to_owned();
    for Case { title, document } in [document_cases(), metric_cases(), dimension_cases()].into_iter().flatten() {
        let messages = messages(&document);
        assert!(!messages.is_empty(), "{title}: the configuration is valid");
        let document = document.split_whitespace().collect::<Vec<_>>().join(" ");
        let excerpt: String = document.chars().take(MAX_DOCUMENT).collect();
        let ellipsis = if excerpt.len() < document.len() { " …" } else { "" };
        let _ = write!(text, "\n# {title}\n  {excerpt}{ellipsis}\n");
        let skipped = messages.len().saturating_sub(MAX_MESSAGES);
        for (index, message) in messages.iter().enumerate() {
            if index == 1 && skipped > 0 {
                let _ = writeln!(text, "- …");
            }
            if index == 0 || index > skipped || skipped == 0 {
                let _ = writeln!(text, "- {message}");
            }
        }
    }
    text.push_str("\nLog lines\n\n");
    let errors = SenderConfig::from_json(br#"{"max_series": 0}"#, |_| None).unwrap_err();
    let status = Status::InternalFailure;
    for line in [
        LogLine::Started { release: "0.1.0 (0123456789ab)" },
        LogLine::InvalidConfiguration(&errors),
        LogLine::HostCallRefused { purpose: "define the statistics of the sender", status: &status },
        LogLine::HostCallRefused { purpose: "set the flush interval", status: &status },
        LogLine::ConfigurationWarning("match_hosts[1]: \"A.com\" is listed twice; remove it"),
        LogLine::NoRequestsInProgress,
        LogLine::NoReceiver { vm_id: "reciever" },
        LogLine::StalledReceiver { vm_id: "receiver" },
    ] {
        let level = match line.level() {
            Level::Critical => "critical",
            Level::Warning => "warning",
            Level::Info => "info",
        };
        let _ = writeln!(text, "[{level}] {line}");
    }
    text
}

/// Returns the string literals in Rust source that contain a space, without those in comments and unit tests.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut literals = Vec::new();
    let mut rest = code.as_str();
    while let Some((_, after)) = rest.split_once('"') {
        let (mut literal, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next() {
                Some((end, '"')) => break end + 1,
                Some((_, '\\')) => match chars.next() {
                    // A line continuation skips the line break and the indentation of the next line.
                    Some((_, '\n')) => literal.push('\n'),
                    Some((_, escaped)) => literal.push(escaped),
                    None => break after.len(),
                },
                Some((_, other)) => literal.push(other),
                None => break after.len(),
            }
        };
        let lines: Vec<_> =
            literal.split('\n').enumerate().map(|(n, l)| if n > 0 { l.trim_start() } else { l }).collect();
        literals.push(lines.concat());
        rest = after.get(end..).unwrap_or_default();
    }
    literals.retain(|literal| literal.trim().contains(' ') && !OTHER_LITERALS.contains(&literal.as_str()));
    literals
}

/// Returns the longest part of a format string between its placeholders.
fn longest_part(format: &str) -> String {
    let escaped = format.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let parts = escaped.split('{').map(|part| part.split_once('}').map_or(part, |(_, text)| text));
    let longest = parts.max_by_key(|part| part.len()).unwrap_or_default();
    longest.replace('\u{1}', "{").replace('\u{2}', "}")
}

#[test]
fn the_golden_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.txt");
    let text = all_messages();
    if env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    for (line, (expected, actual)) in (1..).zip(golden.lines().zip(text.lines())) {
        assert_eq!(expected, actual, "messages.txt:{line}");
    }
    assert_eq!(golden.lines().count(), text.lines().count());
}

#[test]
fn the_golden_file_contains_every_message_in_the_source() {
    let text = all_messages();
    for source in SOURCES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{source}: {error}"));
        for literal in literals(&code) {
            let part = longest_part(&literal);
            assert!(text.contains(&part), "{source}: no case provokes the message {literal:?}");
        }
    }
}

#[test]
fn messages_are_found_in_source() {
    let code = "// \"a comment\"\nlet a = \"one two {n} x\"; f(\"three \\\"four\\\" \\\n   five {{id}}\"); \"single\"";
    assert_eq!(literals(code), ["one two {n} x", "three \"four\" five {{id}}"]);
    assert_eq!(longest_part("one two {n} x"), "one two ");
    assert_eq!(longest_part("three {n}, five {{id}}"), ", five {id}");
}

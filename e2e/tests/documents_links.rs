//! Links, paths, make targets, packages and names in the documents exist.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use e2e::installation;

/// Folders without sources of this project.
const IGNORED: [&str; 4] = ["target", ".git", ".venv", "node_modules"];

/// Returns all files below the root with one of these extensions.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![installation::root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                if !IGNORED.iter().any(|ignored| name == **ignored) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A Markdown document, split into prose and code blocks.
struct Document {
    path: PathBuf,
    /// The lines outside code blocks. Lines of code blocks are empty.
    prose: String,
    /// The lines of code blocks.
    code: Vec<String>,
}

impl Document {
    fn all() -> Vec<Self> {
        let documents: Vec<_> = files(&["md"]).iter().map(|path| Self::read(path)).collect();
        assert!(documents.len() >= 20, "only {} documents were found", documents.len());
        documents
    }

    fn read(path: &Path) -> Self {
        let (mut prose, mut code, mut is_code) = (String::new(), Vec::new(), false);
        for line in fs::read_to_string(path).unwrap().lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if is_code {
                code.push(line.trim().to_owned());
            } else {
                prose.push_str(line);
            }
            prose.push('\n');
        }
        Self { path: path.to_owned(), prose, code }
    }

    fn name(&self) -> String {
        self.path.strip_prefix(installation::root()).unwrap().display().to_string()
    }

    /// Returns the code spans of the prose without line breaks.
    fn spans(&self) -> Vec<String> {
        let spans = self.prose.split('`').skip(1).step_by(2);
        spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// Returns the prose without code spans.
    fn text(&self) -> String {
        self.prose.split('`').step_by(2).collect::<Vec<_>>().join("code")
    }

    /// Returns the targets of all links.
    fn links(&self) -> Vec<String> {
        let text = self.text();
        let inline = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
        let defined = text.lines().filter(|line| line.starts_with('['));
        let defined = defined.filter_map(|line| Some(line.split_once("]: ")?.1.trim().to_owned()));
        inline.chain(defined).collect()
    }

    /// Returns the anchors of all headings, as GitHub names them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchor = |heading: &str| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let text: String = heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect();
            let text = text.replace(' ', "-");
            let times = seen.entry(text.clone()).or_default();
            *times += 1;
            if *times > 1 { format!("{text}-{}", *times - 1) } else { text }
        };
        headings.map(&mut anchor).collect()
    }

    /// Returns the commands in the document: code spans, and lines of code blocks with a prompt.
    fn commands(&self) -> Vec<String> {
        let prompted = self.code.iter().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned);
        self.spans().into_iter().chain(prompted).collect()
    }
}

#[test]
fn every_link_has_an_existing_target() {
    let documents: BTreeMap<_, _> =
        Document::all().into_iter().map(|document| (document.path.clone(), document)).collect();
    let mut checked = 0;
    for document in documents.values() {
        for link in document.links().iter().filter(|link| !link.contains("://")) {
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = match file {
                "" => document.path.clone(),
                file => {
                    let target = document.path.parent().unwrap().join(file);
                    target.canonicalize().unwrap_or_else(|_| panic!("{}: {link} does not exist", document.name()))
                }
            };
            if let Some(anchor) = anchor {
                let target =
                    documents.get(&target).unwrap_or_else(|| panic!("{}: {link} is not a document", document.name()));
                assert!(target.anchors().contains(anchor), "{}: {link} has no such heading", document.name());
            }
            checked += 1;
        }
    }
    assert!(checked >= 150, "only {checked} links were checked");
}

#[test]
fn every_path_in_the_documents_exists() {
    let root = installation::root();
    let folders: BTreeSet<_> = fs::read_dir(&root)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !IGNORED.contains(&name.as_str()))
        .collect();
    let mut checked = 0;
    for document in Document::all() {
        for span in document.spans() {
            let is_placeholder = ["NAME", "…", "*", "{", " "].iter().any(|part| span.contains(part));
            let is_ours = span.split_once('/').is_some_and(|(folder, _)| folders.contains(folder));
            if is_ours && !is_placeholder {
                assert!(root.join(&span).exists(), "{}: {span} does not exist", document.name());
                checked += 1;
            }
        }
    }
    assert!(checked >= 50, "only {checked} paths were checked");
}

#[test]
fn every_make_target_and_package_exists() {
    let makefile = fs::read_to_string(installation::root().join("Makefile")).unwrap();
    let targets: BTreeSet<_> = makefile.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let manifests = files(&["toml"]).into_iter().filter(|path| path.ends_with("Cargo.toml"));
    let names = manifests.map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let tests = installation::root().join("e2e/tests");
    let mut checked = 0;
    for document in Document::all() {
        for command in document.commands() {
            let position = format!("{}: {command}", document.name());
            let words: Vec<_> = command.split_whitespace().collect();
            for pair in words.windows(2) {
                match pair {
                    ["make", target] if target.starts_with(|c: char| c.is_ascii_lowercase()) => {
                        assert!(targets.contains(target), "{position}");
                    }
                    ["-p", package] if words[0] == "cargo" => {
                        assert!(names.contains(&format!("name = \"{package}\"")), "{position}");
                    }
                    ["--test", test] if words.contains(&"e2e") => {
                        assert!(tests.join(test).with_extension("rs").exists(), "{position}");
                    }
                    _ => continue,
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 20, "only {checked} commands were checked");
}

/// CONTRIBUTING.md guides newcomers by the names of types, functions and files, which must not become outdated.
#[test]
fn every_name_in_the_contributing_guide_exists() {
    let sources = files(&["rs", "toml", "json"]).into_iter().chain([installation::root().join("Makefile")]);
    let code: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = code.split(|c| !is_word(c)).collect();
    let guide = Document::read(&installation::root().join("CONTRIBUTING.md"));
    let mut checked = 0;
    for span in guide.spans() {
        if span.chars().all(is_word) && !span.contains("NAME") && !span.ends_with('_') {
            assert!(words.contains(span.as_str()), "CONTRIBUTING.md: the code does not contain the name {span}");
            checked += 1;
        }
    }
    assert!(checked >= 30, "only {checked} names were checked");
}

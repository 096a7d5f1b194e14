//! Files that a command reads.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use crate::{json, node::Node, text::Text, yaml};

/// The largest file that is read, in bytes. The largest list of Envoy resources that a person writes is far smaller.
const MAX_BYTES: u64 = 64 << 20;

/// A file of YAML or JSON.
#[derive(Debug)]
pub struct SourceFile {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// The content, without a byte order mark.
    pub text: Text,
    /// The documents in the file.
    pub documents: Vec<Node>,
}

impl SourceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns a message if there is no such file, if it is a directory, larger than 64 MiB, not UTF-8, or neither YAML
    /// nor JSON.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let metadata = fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        if metadata.is_dir() {
            return Err(format!("{shown} is a directory; give the files in it, such as {shown}/*.yaml"));
        }
        if metadata.len() > MAX_BYTES {
            return Err(format!("{shown} has {} bytes; files may have at most {MAX_BYTES}", metadata.len()));
        }
        let bytes = fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let content = String::from_utf8(bytes)
            .map_err(|error| format!("{shown} is not UTF-8 after byte {}", error.utf8_error().valid_up_to()))?;
        Self::parse(path, &content)
    }

    /// Parses the content of a file.
    ///
    /// # Errors
    /// Returns a message if it is neither YAML nor JSON.
    pub fn parse(path: &Path, content: &str) -> Result<Self, String> {
        let text = Text::of_file(content.strip_prefix('\u{feff}').unwrap_or(content));
        let mut file = Self { path: path.to_owned(), text, documents: Vec::new() };
        // YAML does not accept all JSON: it has no surrogate pairs, for one.
        let is_json = file.text.as_str().trim_start().starts_with(['{', '[']);
        file.documents = match is_json.then(|| json::parse(&file.text)).flatten() {
            Some(document) => vec![document],
            None => yaml::parse(&file.text).map_err(|error| {
                let (line, column) = file.position(error.span.start);
                format!("{}:{line}:{column}: not YAML: {}", path.display(), error.message)
            })?,
        };
        Ok(file)
    }

    /// Returns the line and the column of an offset, both starting at 1. A column is a character.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.as_str().get(..offset).unwrap_or(self.text.as_str());
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()).saturating_add(1);
        (line, column)
    }

    /// Returns the part of a range that is on its first line.
    pub fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = self.text.as_str().get(span.clone()).unwrap_or_default();
        let line = text.split(['\r', '\n']).next().unwrap_or_default().trim_end();
        span.start..span.start.saturating_add(line.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_start_at_one_and_count_characters() {
        let file = SourceFile::parse(Path::new("f"), "\u{feff}a: é\nbc: d\n").unwrap();
        assert_eq!([0, 3, 5, 6, 10].map(|offset| file.position(offset)), [(1, 1), (1, 4), (1, 5), (2, 1), (2, 5)]);
        assert_eq!(file.first_line(&(3..8)), 3..5);
    }

    #[test]
    fn unreadable_files_are_described() {
        let error = |text| SourceFile::parse(Path::new("f.yaml"), text).unwrap_err();
        assert!(error("a: [\n").starts_with("f.yaml:"), "{}", error("a: [\n"));
        assert!(SourceFile::read(Path::new("src")).unwrap_err().contains("src is a directory"));
        assert!(SourceFile::read(Path::new("missing")).unwrap_err().contains("missing cannot be read"));
    }
}

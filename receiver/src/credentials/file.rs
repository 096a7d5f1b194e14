//! Reads files through an Envoy cluster of a file server.

use acpw_config::ValidationErrors;

use super::{Call, Response};

/// A file and the cluster of its file server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedFile {
    cluster: String,
    path: String,
}

impl ServedFile {
    /// Creates a file from its absolute path, which must also be its path on the file server.
    ///
    /// # Errors
    /// A path that is not absolute, contains `..`, or has a character that is not allowed in the path of a request.
    pub(crate) fn new(cluster: &str, path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err(format!("must be an absolute path, got \"{}\"", path.escape_default()));
        }
        if !is_safe_path(path) {
            let path = path.escape_default();
            return Err(format!("must not contain \"..\", \"?\", \"#\", \"%\" or spaces, got \"{path}\""));
        }
        Ok(Self { cluster: cluster.to_owned(), path: path.to_owned() })
    }

    /// Validates a file and the cluster of its file server. `key` is the key of the file's path.
    pub(crate) fn from_keys(
        cluster: Option<String>,
        file: &str,
        key: &str,
        path: &str,
        errors: &mut ValidationErrors,
    ) -> Option<Self> {
        let file = Self::new(cluster.as_deref().unwrap_or_default(), file);
        let file = file.map_err(|error| errors.add(format_args!("{path}.{key}"), error)).ok();
        if cluster.is_none() {
            errors.add(
                format_args!("{path}.file_cluster"),
                "is required: modules read files through an Envoy cluster of a file server on a Unix socket",
            );
            return None;
        }
        file
    }

    /// Returns the request that reads the file.
    pub(crate) fn read(&self) -> Call {
        Call::local(&self.cluster, "GET", "localhost", &self.path)
    }

    /// Returns the content of the file, or `None` if the file does not exist.
    ///
    /// # Errors
    /// The reason why the file cannot be read, with its path.
    pub(crate) fn content<'a>(&self, answer: &'a Response) -> Result<Option<&'a str>, String> {
        let reason = match answer {
            Response::Complete { status: 200, body, .. } => match std::str::from_utf8(body) {
                Ok(text) => return Ok(Some(text)),
                Err(_) => "the file is not UTF-8".to_owned(),
            },
            Response::Complete { status: 404, .. } => return Ok(None),
            Response::Complete { status, .. } => format!("the file server responded with status {status}"),
            Response::Missing(reason) => reason.clone(),
        };
        Err(format!("{} through cluster \"{}\": {reason}", self.path, self.cluster))
    }

    /// Returns the token in the file, without trailing white space, which many tools add.
    ///
    /// # Errors
    /// The file does not exist or does not contain a token. A token must be on one line, because it becomes the value
    /// of a header.
    pub(crate) fn token<'a>(&self, answer: &'a Response) -> Result<&'a str, String> {
        let Some(token) = self.content(answer)? else {
            return Err(format!("{} through cluster \"{}\": no such file", self.path, self.cluster));
        };
        let token = token.trim_end();
        if is_token(token) {
            return Ok(token);
        }
        Err(format!("{} does not contain a token, which is one line of printable ASCII", self.path))
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Returns true if a path can be requested without escaping and does not contain `..`.
pub(crate) fn is_safe_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\\"<>".contains(&byte);
    path.bytes().all(is_plain) && path.split('/').all(|segment| segment != "..")
}

/// Returns true if a text is a valid header value: one line of printable ASCII. `Basic …` contains a space.
pub(crate) fn is_token(text: &str) -> bool {
    !text.trim().is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_and_relative_paths_are_refused() {
        let good =
            ["/var/run/secrets/eks.amazonaws.com/serviceaccount/token", "/a/..data/b", "/a/b..", "/home/me/.aws/x"];
        for path in good {
            assert!(ServedFile::new("c", path).is_ok(), "{path}");
        }
        let bad = ["", "a", "../a", "/..", "/a/../b", "/a/..", "/a b", "/a?b", "/a#b", "/a%2e%2e/b", "/a\r\nb", "/é"];
        for path in bad {
            assert!(ServedFile::new("c", path).is_err(), "{path}");
        }
    }

    #[test]
    fn an_unreadable_file_is_described() {
        let file = ServedFile::new("files", "/token").unwrap();
        let content = |status, body: &[u8]| {
            let answer = Response::Complete { status, body: body.to_vec(), date: None };
            file.content(&answer).map(|content| content.map(str::to_owned))
        };
        assert_eq!(content(200, b"text"), Ok(Some("text".to_owned())));
        assert_eq!(content(404, b""), Ok(None));
        let error = |reason: &str| Err(format!("/token through cluster \"files\": {reason}"));
        assert_eq!(content(503, b""), error("the file server responded with status 503"));
        assert_eq!(content(200, b"\xff"), error("the file is not UTF-8"));
        let missing = file.content(&Response::Missing("upstream request timeout".to_owned())).map(|_| ());
        assert_eq!(missing, error("upstream request timeout").map(|_: Option<String>| ()));
    }

    #[test]
    fn a_token_is_on_one_line() {
        let file = ServedFile::new("c", "/token").unwrap();
        let token_in = |body: &str| {
            let answer = Response::Complete { status: 200, body: body.as_bytes().to_vec(), date: None };
            file.token(&answer).map(str::to_owned)
        };
        for token in ["eyJhbGciOi.J9-_=", "Basic YWJj"] {
            assert_eq!(token_in(token).unwrap(), token);
        }
        for end in ["\n", "\r\n", " \n\n", "\t"] {
            assert_eq!(token_in(&["eyJhbGciOi.J9-_=", end].concat()).unwrap(), "eyJhbGciOi.J9-_=");
        }
        for token in ["", " ", "\n", "secret\nx: y", "secret\r\nx: y\n", "sec\0ret", "sécret"] {
            let error = token_in(token).unwrap_err();
            assert!(error.starts_with("/token does not contain a token") && !error.contains("sec"), "{error}");
        }
    }
}

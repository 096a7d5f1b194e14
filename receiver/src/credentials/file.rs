//! Files, read through a cluster that leads to Envoy's own file server.

use super::{Call, Response};

/// A file and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedFile {
    cluster: String,
    path: String,
}

impl ServedFile {
    /// A file by its absolute path, which the file server is to map to itself.
    ///
    /// # Errors
    /// A path that is not absolute, goes up (`..`), or has a character that a request's path cannot have.
    pub(crate) fn new(cluster: &str, path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err(format!("\"{}\" is not an absolute path", path.escape_default()));
        }
        if !is_safe_path(path) {
            let path = path.escape_default();
            return Err(format!("\"{path}\" must have no \"..\", no \"?\", \"#\" or \"%\", and no spaces"));
        }
        Ok(Self { cluster: cluster.to_owned(), path: path.to_owned() })
    }

    /// The request that reads it.
    pub(crate) fn read(&self) -> Call {
        Call::near(&self.cluster, "GET", "localhost", &self.path)
    }

    /// Its content, or none when there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, in words that name it.
    pub(crate) fn content<'a>(&self, answer: &'a Response) -> Result<Option<&'a str>, String> {
        let reason = match answer {
            Response::Complete { status: 200, body, .. } => match std::str::from_utf8(body) {
                Ok(text) => return Ok(Some(text)),
                Err(_) => "it is not text".to_owned(),
            },
            Response::Complete { status: 404, .. } => return Ok(None),
            Response::Complete { status, .. } => format!("the file server answered {status}"),
            Response::Missing(reason) => reason.clone(),
        };
        Err(format!("{} through cluster \"{}\": {reason}", self.path, self.cluster))
    }

    /// Returns the token that it holds, without the white space that many tools end files with.
    ///
    /// # Errors
    /// A file that is not there, or holds something else: line breaks within too, since a token goes into a header.
    pub(crate) fn token<'a>(&self, answer: &'a Response) -> Result<&'a str, String> {
        let Some(token) = self.content(answer)? else {
            return Err(format!("{} through cluster \"{}\": no such file", self.path, self.cluster));
        };
        let token = token.trim_end();
        if is_token(token) {
            return Ok(token);
        }
        Err(format!("{} is not a token: it is empty, or not on one line", self.path))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Whether a request's path can be this as it stands, and goes up nowhere.
pub(crate) fn is_safe_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\\"<>".contains(&byte);
    path.bytes().all(is_plain) && path.split('/').all(|segment| segment != "..")
}

/// Whether this can be a header's value: printable, and on one line. `Basic …` has a space.
pub(crate) fn is_token(text: &str) -> bool {
    !text.trim().is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_go_up_or_are_no_paths_are_refused() {
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
    fn a_token_is_on_one_line() {
        let file = ServedFile::new("c", "/token").unwrap();
        let of = |body: &str| {
            let answer = Response::Complete { status: 200, body: body.as_bytes().to_vec(), date: None };
            file.token(&answer).map(str::to_owned)
        };
        for token in ["eyJhbGciOi.J9-_=", "Basic YWJj"] {
            assert_eq!(of(token).unwrap(), token);
        }
        for end in ["\n", "\r\n", " \n\n", "\t"] {
            assert_eq!(of(&["eyJhbGciOi.J9-_=", end].concat()).unwrap(), "eyJhbGciOi.J9-_=");
        }
        for token in ["", " ", "\n", "secret\nx: y", "secret\r\nx: y\n", "sec\0ret", "sécret"] {
            let error = of(token).unwrap_err();
            assert!(error.starts_with("/token is not a token") && !error.contains("sec"), "{error}");
        }
    }
}

//! A file that Envoy serves to the modules.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::installation;

/// The name of the cluster that serves the file.
const CLUSTER: &str = "files";

/// The HTTP filter that reads the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileReader {
    /// Envoy's own file server.
    FileServer,
    /// The Lua filter of envoy/lua-files.yaml.
    Lua,
}

/// A file that Envoy serves on a Unix socket in the same temporary folder. Dropping it removes the folder.
#[derive(Debug)]
pub struct ServedFile {
    folder: TempDir,
    name: &'static str,
    reader: FileReader,
}

impl ServedFile {
    /// Creates the folder for a file with this name.
    ///
    /// # Panics
    /// Panics if the folder cannot be created.
    pub fn new(reader: FileReader, name: &'static str) -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), name, reader }
    }

    /// Returns the path of the file.
    ///
    /// # Panics
    /// Panics if the path is not UTF-8.
    pub fn path(&self) -> String {
        self.in_folder(self.name).into_os_string().into_string().expect("a path in UTF-8")
    }

    /// Replaces the file atomically by a rename, as the kubelet does.
    ///
    /// # Panics
    /// Panics if the file cannot be written.
    pub fn write(&self, content: &str) {
        let new = self.in_folder("new");
        fs::write(&new, content).expect("a written file");
        fs::rename(new, self.path()).expect("a renamed file");
    }

    fn in_folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the HTTP filter that responds with the file.
    fn filter(&self) -> Value {
        match self.reader {
            FileReader::FileServer => json!({
                "name": "envoy.filters.http.file_server",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.file_server.v3.FileServerConfig",
                    "manager_config": { "thread_pool": { "thread_count": 1 } },
                    "path_mappings": [{
                        "request_path_prefix": self.folder.path(),
                        "file_path_prefix": self.folder.path(),
                    }],
                },
            }),
            FileReader::Lua => json!({
                "name": "envoy.filters.http.lua",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                    "default_source_code": { "inline_string": lua(&self.path()) },
                },
            }),
        }
    }

    /// Returns the cluster and the listener, for [`Bootstrap::resource`](crate::Bootstrap::resource).
    pub fn resources(&self) -> Vec<(&'static str, Value)> {
        let pipe = json!({ "pipe": { "path": self.in_folder("socket"), "mode": 0o600 } });
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "files",
            // The filter responds if any route matches. The route's own response is not used.
            "route_config": { "virtual_hosts": [{
                "name": "files",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": 404 } }],
            }] },
            "http_filters": [
                self.filter(),
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                },
            ],
        });
        let listener = json!({
            "name": "files",
            "address": pipe,
            "filter_chains": [{
                "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
            }],
        });
        let cluster = json!({
            "name": CLUSTER,
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": CLUSTER,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": pipe } }] }],
            },
        });
        vec![("listeners", listener), ("clusters", cluster)]
    }
}

/// Returns the Lua code of the example with `path` as the only file that it serves.
fn lua(path: &str) -> String {
    let example = fs::read_to_string(installation::root().join("envoy/lua-files.yaml")).expect("the example");
    let code = example.split_once("inline_string: |\n").and_then(|(_, rest)| rest.split_once("- name: "));
    let (code, _) = code.expect("code between two filters");
    let (before, rest) = code.split_once("local files = {").expect("a list of files");
    let (_, after) = rest.split_once("}\n").expect("the end of the list");
    format!("{before}local files = {{ [{path:?}] = true }}\n{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lua_code_serves_only_this_file() {
        let code = lua("/tmp/token");
        assert!(code.contains("local files = { [\"/tmp/token\"] = true }\n"), "{code}");
        assert!(
            code.contains("local limit = 65536\n") && code.trim_end().ends_with("\n                  end"),
            "{code}"
        );
        assert!(!code.contains("/var/run"), "{code}");
    }
}

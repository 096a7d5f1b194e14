//! Envoy's own file server, by which modules read files.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The cluster that leads to it.
const CLUSTER: &str = "files";

/// A folder whose files Envoy serves on a Unix socket beside it. Both are removed when this is dropped.
#[derive(Debug)]
pub struct FileServer {
    folder: TempDir,
}

impl Default for FileServer {
    fn default() -> Self {
        Self { folder: TempDir::new().expect("a folder for temporary files") }
    }
}

impl FileServer {
    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, in the place of an earlier one by a rename, as the kubelet and careful programs do.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &str) {
        let new = self.path("new");
        fs::write(&new, content).expect("a file is written");
        fs::rename(new, self.path(name)).expect("a file is renamed");
    }

    /// The cluster and the listener, for [`Bootstrap::resource`](crate::Bootstrap::resource).
    pub fn resources(&self) -> Vec<(&'static str, Value)> {
        let pipe = json!({ "pipe": { "path": self.path("socket"), "mode": 0o600 } });
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "files",
            // The file server answers where a route matches, whatever the route says.
            "route_config": { "virtual_hosts": [{
                "name": "files",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": 404 } }],
            }] },
            "http_filters": [
                {
                    "name": "envoy.filters.http.file_server",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.file_server.v3.FileServerConfig",
                        "manager_config": { "thread_pool": { "thread_count": 1 } },
                        "path_mappings": [{
                            "request_path_prefix": self.folder.path(),
                            "file_path_prefix": self.folder.path(),
                        }],
                    },
                },
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

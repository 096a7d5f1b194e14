//! Everything in the files that a module needs or is attached to.

use std::{ops::Range, path::PathBuf};

use crate::{
    node::{Kind, Node},
    plugin::{Attachment, Plugin},
    source_file::SourceFile,
    yaml,
};

/// The maximum nesting of texts in texts: a bootstrap in a ConfigMap in a list is two.
const MAX_TEXTS: usize = 4;

/// The files of one command, and what is in them.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The files.
    pub files: Vec<SourceFile>,
    /// The documents, and the bootstraps within them.
    pub scopes: Vec<Scope>,
    /// The modules of ACPW.
    pub plugins: Vec<Plugin>,
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The addresses of admin interfaces.
    pub admins: Vec<Admin>,
    /// Filters that serve files.
    pub file_servers: Vec<FileServer>,
    /// Uses of features that not every Envoy has.
    pub uses: Vec<Use>,
}

/// A document or a bootstrap.
#[derive(Debug)]
pub struct Scope {
    /// The index of its file.
    pub file: usize,
    /// True if it is a bootstrap that takes nothing from elsewhere: it has no `dynamic_resources`, and no product
    /// merges it into a bootstrap of its own.
    pub is_self_contained: bool,
}

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    /// The scope that it is in.
    pub scope: usize,
    /// Its name.
    pub name: String,
    /// Its definition.
    pub node: Node,
}

/// The address of a listener or an endpoint.
#[derive(Clone, Debug)]
pub enum Address {
    /// A host and a port.
    Socket {
        /// The IP address or name.
        host: String,
        /// The port; 0 if it is named.
        port: u16,
    },
    /// A Unix socket.
    Pipe {
        /// The mode of the socket's file, such as 0600.
        mode: Option<String>,
    },
}

impl Address {
    /// Reads `{ socket_address: … }` or `{ pipe: … }`.
    pub fn of(node: &Node) -> Option<Self> {
        if let Some(pipe) = node.get("pipe") {
            return Some(Self::Pipe { mode: pipe.string_at(&["mode"]).map(str::to_owned) });
        }
        let socket = node.get("socket_address")?;
        let host = socket.string_at(&["address"])?.to_owned();
        let port = socket.string_at(&["port_value"]).and_then(|port| port.parse().ok()).unwrap_or_default();
        Some(Self::Socket { host, port })
    }

    /// Returns true if only programs on the same machine, or in the same pod, can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Pipe { .. } => true,
            Self::Socket { host, .. } => {
                let address = host.parse::<std::net::IpAddr>();
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// A listener.
#[derive(Debug)]
pub struct Listener {
    /// The scope that it is in.
    pub scope: usize,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its address.
    pub address: Option<Address>,
    /// The position of its address.
    pub span: Range<usize>,
}

/// An admin interface.
#[derive(Debug)]
pub struct Admin {
    /// The scope that it is in.
    pub scope: usize,
    /// Its address.
    pub address: Address,
    /// The position of its address.
    pub span: Range<usize>,
}

/// A filter that serves files: Envoy's file server, or a Lua script that opens files.
#[derive(Debug)]
pub struct FileServer {
    /// The listener that it is in.
    pub listener: Option<usize>,
    /// True if its configuration names a file with credentials.
    pub serves_credentials: bool,
}

/// A feature of Envoy that not every version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name in Envoy's API.
    pub name: &'static str,
    /// The minor version of the first Envoy 1 that has it.
    pub since: u16,
    /// The remedy for an older version.
    pub remedy: &'static str,
}

/// The features that configurations of ACPW use and that not every Envoy has; docs/deployment.md has the same.
pub const FEATURES: [Feature; 8] = [
    Feature { name: "failure_policy", since: 33, remedy: "use fail_open: true" },
    Feature { name: "allow_on_headers_stop_iteration", since: 35, remedy: "the gateway needs it" },
    Feature { name: "auto_host_sni", since: 33, remedy: "name the host in sni" },
    Feature { name: "auto_sni_san_validation", since: 33, remedy: "name the host in match_typed_subject_alt_names" },
    Feature {
        name: "envoy.filters.http.file_server",
        since: 38,
        remedy: "serve files by the Lua filter of envoy/lua-files.yaml",
    },
    Feature { name: "envoy.access_loggers.stats", since: 37, remedy: "attach the sender" },
    Feature { name: "stats_scope", since: 39, remedy: "use envoy/native-1.37.yaml" },
    Feature { name: "transform_stat", since: 39, remedy: "use envoy/native-1.37.yaml" },
];

/// A use of a feature.
#[derive(Debug)]
pub struct Use {
    /// The scope that it is in.
    pub scope: usize,
    /// The feature.
    pub feature: Feature,
    /// The position.
    pub span: Range<usize>,
}

/// The surroundings of a value.
#[derive(Clone, Copy)]
struct Context<'n> {
    scope: usize,
    listener: Option<usize>,
    /// The number of texts that the value is in.
    texts: usize,
    /// The parameters of a CloudFormation template.
    template: Option<&'n Node>,
}

impl Inventory {
    /// Reads files.
    ///
    /// # Errors
    /// Returns a message for each file that cannot be read, or that contains nothing that concerns ACPW.
    pub fn read(paths: &[PathBuf]) -> Result<Self, String> {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        for path in paths {
            match SourceFile::read(path) {
                Ok(file) => files.push(file),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Self::of_files(files) } else { Err(problems.join("\nacpw: ")) }
    }

    /// Takes what concerns ACPW out of files.
    ///
    /// # Errors
    /// Returns a message for each file without it, and one if there is no module in any file.
    pub fn of_files(files: Vec<SourceFile>) -> Result<Self, String> {
        let mut inventory = Self::default();
        let paths = comma_separated(&files);
        let problems: Vec<_> = files.into_iter().filter_map(|file| inventory.add(file)).collect();
        match (problems.is_empty(), inventory.plugins.is_empty()) {
            (true, false) => Ok(inventory),
            (true, true) => Err(format!("no module of ACPW is attached in {paths}")),
            (false, _) => Err(problems.join("\nacpw: ")),
        }
    }

    /// Adds a file. Returns a message if nothing in it concerns ACPW.
    fn add(&mut self, mut file: SourceFile) -> Option<String> {
        let before = self.size();
        let index = self.files.len();
        let documents = std::mem::take(&mut file.documents);
        let path = file.path.clone();
        self.files.push(file);
        for document in &documents {
            let is_bootstrap = is_bootstrap(document) && document.get("dynamic_resources").is_none();
            let scope = self.scopes.len();
            self.scopes.push(Scope { file: index, is_self_contained: is_bootstrap });
            let template = document.get("AWSTemplateFormatVersion").map(|_| document);
            self.walk(document, Context { scope, listener: None, texts: 0, template });
        }
        let is_empty = self.size() == before;
        is_empty.then(|| format!("{} has no module of ACPW, no cluster and no listener; leave it out", path.display()))
    }

    fn size(&self) -> usize {
        self.plugins.len().saturating_add(self.clusters.len()).saturating_add(self.listeners.len())
    }

    fn walk(&mut self, node: &Node, mut context: Context<'_>) {
        match &node.kind {
            Kind::Plain(_) => {}
            Kind::Text(_) => self.text(node, context),
            Kind::Sequence(items) => items.iter().for_each(|item| self.walk(item, context)),
            Kind::Mapping(members) => {
                self.mapping(node, &mut context);
                for (key, value) in members {
                    if key.as_str() == Some("admin") {
                        self.admin(value, context.scope);
                    }
                    self.walk(value, context);
                }
            }
        }
    }

    /// Notes what a mapping is, and updates the context of what is in it.
    fn mapping(&mut self, node: &Node, context: &mut Context<'_>) {
        let scope = context.scope;
        if let Some((name, body, span)) = typed(node) {
            self.typed(name, body, &span, *context);
        }
        match (node.string_at(&["kind"]), node.get("spec")) {
            (Some("WasmPlugin"), Some(_)) => self.plugins.extend(Plugin::of_wasm_plugin(node, scope)),
            (Some("EnvoyExtensionPolicy"), Some(_)) => self.plugins.extend(Plugin::of_extension_policy(node, scope)),
            _ => {}
        }
        if let Some(name) = node.string_at(&["name"]).filter(|_| is_cluster(node)) {
            self.clusters.push(Cluster { scope, name: name.to_owned(), node: node.clone() });
        }
        let has_filters = ["filter_chains", "default_filter_chain", "listener_filters"].into_iter();
        if let Some(address) =
            node.get("address").filter(|_| has_filters.into_iter().any(|key| node.get(key).is_some()))
        {
            context.listener = Some(self.listeners.len());
            self.listeners.push(Listener {
                scope,
                name: node.string_at(&["name"]).unwrap_or_default().to_owned(),
                address: Address::of(address),
                span: address.span.clone(),
            });
        }
    }

    /// Notes an extension of a type.
    fn typed(&mut self, name: &str, body: &Node, span: &Range<usize>, context: Context<'_>) {
        let Context { scope, listener, .. } = context;
        if let Some(attachment) = Attachment::of_type(name) {
            let plugin = Plugin::of_envoy(body, attachment, scope, listener, span);
            if plugin.is_some() {
                let config = body.get("config");
                self.uses(&["failure_policy", "allow_on_headers_stop_iteration"], config, scope);
            }
            self.plugins.extend(plugin);
        }
        match name {
            "envoy.extensions.filters.http.file_server.v3.FileServerConfig" => {
                let serves_credentials = names_credentials(&body.to_json().to_string());
                self.file_servers.push(FileServer { listener, serves_credentials });
                self.used("envoy.filters.http.file_server", span, scope);
            }
            "envoy.extensions.filters.http.lua.v3.Lua" => {
                let mut scripts = scripts(body).filter(|script| script.contains("io.open"));
                if let Some(script) = scripts.next() {
                    let serves_credentials = names_credentials(script);
                    self.file_servers.push(FileServer { listener, serves_credentials });
                }
            }
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" => {
                self.uses(&["auto_host_sni", "auto_sni_san_validation"], Some(body), scope);
            }
            "envoy.extensions.access_loggers.stats.v3.Config" => {
                self.used("envoy.access_loggers.stats", span, scope);
                self.uses(&["stats_scope"], Some(body), scope);
            }
            "envoy.extensions.matching.actions.transform_stat.v3.TransformStat" => {
                self.used("transform_stat", span, scope);
            }
            _ => {}
        }
    }

    fn uses(&mut self, keys: &[&str], body: Option<&Node>, scope: usize) {
        for key in keys {
            if let Some(node) = body.and_then(|body| body.get(key)) {
                self.used(key, &node.span, scope);
            }
        }
    }

    fn used(&mut self, name: &str, span: &Range<usize>, scope: usize) {
        let feature = FEATURES.into_iter().find(|feature| feature.name == name);
        self.uses.extend(feature.map(|feature| Use { scope, feature, span: span.clone() }));
    }

    fn admin(&mut self, node: &Node, scope: usize) {
        if let Some(node) = node.get("address") {
            let address = Address::of(node);
            self.admins.extend(address.map(|address| Admin { scope, address, span: node.span.clone() }));
        }
    }

    /// Looks for Envoy configuration in a text, such as a bootstrap in a ConfigMap.
    fn text(&mut self, node: &Node, context: Context<'_>) {
        let Some(text) = node.text().filter(|text| text.as_str().contains("@type") && context.texts < MAX_TEXTS) else {
            return;
        };
        let substituted;
        let text = match context.template.filter(|_| node.tag == "Sub") {
            Some(template) => {
                substituted = text.substituted(|name| parameter(template, name));
                &substituted
            }
            None => text,
        };
        for document in yaml::parse(text).unwrap_or_default() {
            let file = self.scopes.get(context.scope).map_or(0, |scope| scope.file);
            let is_whole = document.get("admin").is_some() && document.get("dynamic_resources").is_none();
            let scope = self.scopes.len();
            self.scopes.push(Scope { file, is_self_contained: is_bootstrap(&document) && is_whole });
            let texts = context.texts.saturating_add(1);
            self.walk(&document, Context { scope, listener: None, texts, template: context.template });
        }
    }

    /// Returns the file of a scope.
    pub fn file_of(&self, scope: usize) -> usize {
        self.scopes.get(scope).map_or(0, |scope| scope.file)
    }

    /// Returns true if what is in one scope can use what is in another.
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        from == to || !self.scopes.get(from).is_some_and(|scope| scope.is_self_contained)
    }
}

/// Returns the type of an extension, its configuration, and the position of the type.
fn typed(node: &Node) -> Option<(&str, &Node, Range<usize>)> {
    let kind = node.get("@type")?;
    let name = type_name(kind.as_str()?);
    if !matches!(name, "xds.type.v3.TypedStruct" | "udpa.type.v1.TypedStruct") {
        return Some((name, node, kind.span.clone()));
    }
    let url = node.get("type_url")?;
    Some((type_name(url.as_str()?), node.get("value")?, url.span.clone()))
}

fn type_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// Returns the Lua scripts in a filter's configuration.
fn scripts(lua: &Node) -> impl Iterator<Item = &str> {
    let default = lua.string_at(&["default_source_code", "inline_string"]);
    let by_name = lua.get("source_codes").map_or(&[][..], Node::members).iter();
    let by_name = by_name.filter_map(|(_, source)| source.string_at(&["inline_string"]));
    default.into_iter().chain(lua.string_at(&["inline_code"])).chain(by_name)
}

/// Returns true if a text names a file in which AWS's tools or Kubernetes keep credentials.
fn names_credentials(text: &str) -> bool {
    ["/secrets/", ".aws", "token", "credentials"].into_iter().any(|part| text.contains(part))
}

/// Returns true for a cluster: entries of `weighted_clusters`, for one, have a name too.
fn is_cluster(node: &Node) -> bool {
    const TYPES: [&str; 5] = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];
    let has_type = node.string_at(&["type"]).is_some_and(|name| TYPES.contains(&name));
    has_type || ["load_assignment", "eds_cluster_config", "cluster_type"].into_iter().any(|key| node.get(key).is_some())
}

fn is_bootstrap(node: &Node) -> bool {
    let keys = ["static_resources", "dynamic_resources", "stats_sinks", "bootstrap_extensions"];
    keys.into_iter().any(|key| node.get(key).is_some())
}

/// Returns the value of a parameter of a CloudFormation template: its default, or an example.
fn parameter(template: &Node, name: &str) -> Option<String> {
    let value = match name {
        "AWS::Region" => "us-east-1",
        "AWS::AccountId" => "123456789012",
        "AWS::Partition" => "aws",
        "AWS::URLSuffix" => "amazonaws.com",
        _ if name.starts_with('!') => return name.get(1..).map(|name| format!("${{{name}}}")),
        _ => template.string_at(&["Parameters", name, "Default"]).unwrap_or("example"),
    };
    Some(value.to_owned())
}

fn comma_separated(files: &[SourceFile]) -> String {
    let paths: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    paths.join(", ")
}

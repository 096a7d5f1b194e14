//! TLS, host and region of the clusters that lead to AWS.

use std::ops::Range;

use receiver::{
    credentials::Provider,
    endpoint::{Region, region_of_host},
};

use super::{
    Check,
    cluster_use::cluster_names,
    finding::{NO_TLS, OTHER_REGION, UNSIGNED, UNVERIFIED_CERTIFICATE, WRONG_SNI},
};
use crate::{
    inventory::{Address, Cluster},
    node::{Kind, Node},
    plugin::Plugin,
};

const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const SIGNING: &str = "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning";

/// The domains of AWS's endpoints, by partition.
const DOMAINS: [&str; 8] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

impl Check<'_> {
    pub(super) fn connections(&mut self) {
        for index in 0..self.modules.len() {
            let Some(module) = self.modules.get(index) else { continue };
            let (plugin, Some(config)) = (module.plugin, module.receiver()) else { continue };
            // A region from the environment is only an example.
            let is_known =
                plugin.configuration.tree.as_ref().is_some_and(|tree| tree.get("cloud_watch_region").is_some());
            let region = config.region.region().filter(|_| is_known).cloned();
            let host = match &config.host {
                Some(host) => Some(host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host).to_owned()),
                None => region.as_ref().map(Region::cloud_watch_host),
            };
            let signs = config.credentials.iter().any(|provider| matches!(provider, Provider::Envoy));
            let name = config.cluster.clone();
            if let Some(cluster) = self.cluster(plugin.scope, &name) {
                self.connection(plugin, cluster, host.as_deref(), region.as_ref());
                if signs {
                    self.signing(plugin, cluster, region.as_ref());
                }
            }
            let mut others: Vec<&str> = cluster_names(plugin).iter().filter_map(|(_, node)| node.as_str()).collect();
            others.sort_unstable();
            others.dedup();
            for cluster in others.into_iter().filter(|other| *other != name) {
                let cluster = self.cluster(plugin.scope, cluster);
                let Some(cluster) = cluster.filter(|cluster| endpoints(&cluster.node).any(|(host, _)| is_aws(&host)))
                else {
                    continue;
                };
                let of_sts = |(host, _): (String, _)| sts_region(&host).is_some();
                let is_sts = endpoints(&cluster.node).any(of_sts);
                let region = region.as_ref().filter(|_| is_sts);
                self.connection(plugin, cluster, region.map(Region::sts_host).as_deref(), region);
            }
        }
    }

    /// Checks the connection to a host of AWS. `host` is what the receiver calls it.
    fn connection(&mut self, plugin: &Plugin, cluster: &Cluster, host: Option<&str>, region: Option<&Region>) {
        let scope = cluster.scope;
        let name = &cluster.name;
        let aws = endpoints(&cluster.node).find(|(host, _)| is_aws(host));
        if let (Some((endpoint, span)), Some(region)) = (&aws, region) {
            let other = region_of_host(endpoint).or_else(|| sts_region(endpoint)).filter(|other| other != region);
            if let Some(other) = other {
                let message = format!(
                    "the cluster \"{name}\" leads to {}, but the receiver signs for {}",
                    other.as_str(),
                    region.as_str()
                );
                let remedy = "write the same region in the address of the cluster and in cloud_watch_region";
                let related = plugin.configuration.tree.as_ref().and_then(|tree| tree.get("cloud_watch_region"));
                self.add(&OTHER_REGION, (scope, span.clone()), message, "another region", remedy);
                if let Some(node) = related {
                    self.relate(self.inventory.file_of(plugin.scope), node.span.clone(), "the receiver's region");
                }
                return;
            }
        }
        let matches = cluster.node.get("transport_socket_matches");
        let socket = cluster.node.get("transport_socket");
        let Some(tls) = socket.and_then(|socket| find_type(socket, TLS)) else {
            if let (Some((endpoint, span)), None) = (aws, matches) {
                let message = format!("the cluster \"{name}\" leads to {endpoint} without TLS");
                let remedy = "add a transport_socket with an UpstreamTlsContext, as envoy/aws.yaml has it";
                self.add(&NO_TLS, (scope, span), message, "no transport_socket", remedy);
            }
            return;
        };
        self.sni(cluster, tls, aws.map(|(endpoint, _)| endpoint).as_deref(), host);
        self.certificate(cluster, tls);
    }

    fn sni(&mut self, cluster: &Cluster, tls: &Node, endpoint: Option<&str>, host: Option<&str>) {
        let (scope, name) = (cluster.scope, &cluster.name);
        let is_automatic = tls.get("auto_host_sni").and_then(Node::as_bool) == Some(true);
        match tls.get("sni").filter(|node| node.as_str().is_some_and(|sni| !sni.is_empty())) {
            Some(node) => {
                let sni = node.as_str().unwrap_or_default();
                let is_right = |expected: &str| expected.eq_ignore_ascii_case(sni);
                if host.is_some_and(is_right) || endpoint.is_some_and(is_right) || host.or(endpoint).is_none() {
                    return;
                }
                let expected = host.or(endpoint).unwrap_or_default();
                let message = format!("the cluster \"{name}\" asks for a certificate of {sni}, not of {expected}");
                let remedy = format!("write sni: {expected}, or auto_host_sni: true");
                self.add(&WRONG_SNI, (scope, node.span.clone()), message, "another host", remedy);
            }
            None if !is_automatic => {
                let message = format!("the cluster \"{name}\" names no host in TLS, which AWS requires");
                let span = type_span(tls);
                self.add(&WRONG_SNI, (scope, span), message, "no sni and no auto_host_sni", "set auto_host_sni: true");
            }
            None => {}
        }
    }

    fn certificate(&mut self, cluster: &Cluster, tls: &Node) {
        let (scope, name, span) = (cluster.scope, &cluster.name, type_span(tls));
        let has = |keys: &[&str]| keys.iter().any(|key| find_key(tls, key).is_some());
        let provided = [
            "trusted_ca",
            "system_root_certs",
            "ca_certificate_provider_instance",
            "validation_context_sds_secret_config",
            "custom_validator_config",
        ];
        let is_automatic = tls.get("auto_sni_san_validation").and_then(Node::as_bool) == Some(true);
        if !has(&provided) {
            let message = format!("the cluster \"{name}\" accepts any certificate");
            let remedy = "add validation_context: { trusted_ca: { filename: /etc/ssl/certs/ca-certificates.crt } } to \
                          common_tls_context";
            self.add(&UNVERIFIED_CERTIFICATE, (scope, span), message, "no trusted_ca", remedy);
        } else if !is_automatic && !has(&["match_typed_subject_alt_names", "match_subject_alt_names"]) {
            let message = format!("the cluster \"{name}\" accepts a certificate of any host");
            let label = "the certificate's names are not compared";
            self.add(&UNVERIFIED_CERTIFICATE, (scope, span), message, label, "set auto_sni_san_validation: true");
        }
    }

    fn signing(&mut self, plugin: &Plugin, cluster: &Cluster, region: Option<&Region>) {
        let Some(filter) = find_type(&cluster.node, SIGNING) else {
            let message =
                format!("the provider envoy leaves signing to the cluster \"{}\", which does not", cluster.name);
            let providers = plugin.configuration.tree.as_ref().and_then(|tree| tree.member("credentials"));
            let span = providers.map_or(&plugin.configuration.span, |(_, node)| &node.span).clone();
            let remedy =
                "add envoy.filters.http.aws_request_signing to the cluster, as envoy/envoy-signing.yaml has it";
            self.add(&UNSIGNED, (plugin.scope, span), message, "nobody signs", remedy);
            return;
        };
        let Some((node, region)) = filter.get("region").zip(region) else { return };
        if node.as_str() != Some(region.as_str()) {
            let message = format!(
                "Envoy signs for {}, but the receiver publishes to {}",
                node.as_str().unwrap_or_default(),
                region.as_str()
            );
            let remedy = "write the same region in the filter and in cloud_watch_region";
            self.add(&OTHER_REGION, (cluster.scope, node.span.clone()), message, "another region", remedy);
        }
    }
}

/// Returns the hosts of a cluster's endpoints, with their positions.
fn endpoints(cluster: &Node) -> impl Iterator<Item = (String, Range<usize>)> {
    let mut addresses = Vec::new();
    if let Some(assignment) = cluster.get("load_assignment") {
        collect_addresses(assignment, &mut addresses);
    }
    addresses.into_iter()
}

fn collect_addresses(node: &Node, addresses: &mut Vec<(String, Range<usize>)>) {
    if let Some(Address::Socket { host, .. }) = Address::of(node) {
        let span = node.at(&["socket_address", "address"]).map_or(&node.span, |node| &node.span);
        addresses.push((host, span.clone()));
    }
    match &node.kind {
        Kind::Sequence(items) => items.iter().for_each(|item| collect_addresses(item, addresses)),
        Kind::Mapping(members) => members.iter().for_each(|(_, value)| collect_addresses(value, addresses)),
        Kind::Text(_) | Kind::Plain(_) => {}
    }
}

fn is_aws(host: &str) -> bool {
    let is_within = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.'));
    DOMAINS.iter().any(is_within)
}

/// Returns the region of STS's host: `sts.REGION.…`.
fn sts_region(host: &str) -> Option<Region> {
    let mut labels = host.split('.');
    labels.find(|label| matches!(*label, "sts" | "sts-fips"))?;
    Region::new(labels.next()?).ok()
}

/// Finds the extension of a type within a value.
fn find_type<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let is_type = node.get("@type").and_then(Node::as_str).is_some_and(|url| url.rsplit('/').next() == Some(name));
    if is_type {
        return Some(node);
    }
    children(node).find_map(|child| find_type(child, name))
}

fn find_key<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).or_else(|| children(node).find_map(|child| find_key(child, key)))
}

fn children(node: &Node) -> impl Iterator<Item = &Node> {
    node.items().iter().chain(node.members().iter().map(|(_, value)| value))
}

fn type_span(node: &Node) -> Range<usize> {
    node.get("@type").map_or(&node.span, |kind| &kind.span).clone()
}

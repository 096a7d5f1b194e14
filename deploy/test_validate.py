"""Each check of validate.py finds an error that is planted in a copy.

test_validate.py FOLDER, where FOLDER is what `make check-deploy` installs.
"""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = [
    "deploy",
    "docs",
    "envoy",
    "e2e/envoy",
    "acpw/tests/snapshots",
    ".github",
    "Cargo.toml",
    "Makefile",
    "requirements.in",
]
TOOLS = Path(sys.argv.pop(1) if len(sys.argv) > 1 else "target/tools/deploy").resolve()

# The check, the file, what is replaced in it (its first occurrence), by what, and what a fault
# says.
PLANTED = [
    (
        "yaml",
        "deploy/istio/sender.yaml",
        "  name: acpw-sender\n",
        "  name: acpw-sender\n  name: other\n",
        "duplication of key",
    ),
    (
        "kubernetes",
        "deploy/kubernetes/base/sidecar/workload.yaml",
        "startupProbe:",
        "startProbe:",
        "startProbe",
    ),
    (
        "kubernetes",
        "deploy/kubernetes/base/gateway/workload.yaml",
        "replicas: 2",
        "replicas: two",
        "two",
    ),
    ("kubernetes", "deploy/istio/workload.yaml", "preStop:", "prestop:", "prestop"),
    (
        "kubernetes",
        "deploy/helm/acpw/templates/_containers.tpl",
        "livenessProbe:",
        "liveProbe:",
        "liveProbe",
    ),
    (
        "custom-resources",
        "deploy/istio/sender.yaml",
        "failStrategy:",
        "failureStrategy:",
        "failureStrategy",
    ),
    ("custom-resources", "deploy/istio/sender.yaml", "mode: SERVER", "mode: INBOUND", "INBOUND"),
    (
        "custom-resources",
        "deploy/istio/access-logger.yaml",
        "operation: MERGE",
        "operation: APPEND",
        "APPEND",
    ),
    (
        "custom-resources",
        "deploy/envoy-gateway/gateway.yaml",
        "controllerName:",
        "controller:",
        "controller",
    ),
    (
        "custom-resources",
        "deploy/envoy-gateway/gateway.yaml",
        "port: 80\n",
        'port: "80"\n',
        "string",
    ),
    ("custom-resources", "deploy/envoy-gateway/sender.yaml", "failOpen:", "failopen:", "failopen"),
    (
        "custom-resources",
        "deploy/envoy-gateway/proxy.yaml",
        "minDrainDuration: 10s",
        "minDrainDuration: 10",
        "10",
    ),
    ("helm", "deploy/helm/acpw/templates/gateway.yaml", "{{- end }}", "", "parse error"),
    (
        "helm",
        "deploy/helm/acpw/values.schema.json",
        '"minimum": 1,',
        "",
        "the chart takes --set concurrency=0",
    ),
    ("helm", "deploy/helm/acpw/Chart.yaml", 'appVersion: "', 'appVersion: "9.', "appVersion is 9."),
    (
        "cloudformation",
        "deploy/ecs/cloudformation.yaml",
        "AdjustmentType:",
        "AdjustType:",
        "AdjustType",
    ),
    (
        "cloudformation",
        "deploy/ecs/cloudformation.yaml",
        "!Ref ScaleOut",
        "!Ref ScaleUp",
        "ScaleUp",
    ),
    (
        "terraform",
        "deploy/ecs/terraform/main.tf",
        "desired_count    ",
        "wanted_count     ",
        "wanted_count",
    ),
    (
        "terraform",
        "deploy/ecs/terraform/main.tf",
        "local.on_fargate &&",
        "local.fargate &&",
        "fargate",
    ),
    (
        "terraform",
        "deploy/ecs/terraform/variables.tf",
        "  type = list(string)",
        "  type   = list(string)",
        "terraform fmt",
    ),
    ("terraform", "deploy/ecs/terraform/envoy.yaml.tftpl", "${app_port}", "${port}", "port"),
    ("systemd", "deploy/systemd/acpw-envoy.service", "ExecStart=", "ExecStarts=", "ExecStart"),
    (
        "systemd",
        "deploy/systemd/acpw-envoy.service",
        "CapabilityBoundingSet=\n",
        "User=root\nPrivateDevices=no\n",
        "exposure",
    ),
    ("systemd", "deploy/systemd/acpw-envoy.service", "/flush?", "/status?", "does not flush"),
    ("scripts", "deploy/systemd/deb.sh", "umask 022", "unused=022", "SC2034"),
    ("workflows", ".github/workflows/ci.yml", "runs-on:", "run-on:", "run-on"),
    (
        "workflows",
        ".github/workflows/release.yml",
        "needs: ",
        "needs: [nothing]\n    if: ",
        "nothing",
    ),
    ("workflows", ".github/workflows/release.yml", 'layout in target', 'layout in $target', "SC2"),
    (
        "workflows",
        ".github/workflows/ci.yml",
        "actions/checkout@",
        "actions/checkout@v7 # ",
        "must be a commit",
    ),
    ("workflows", ".github/workflows/ci.yml", "make check-deploy", "make checkdeploy", "no target"),
    ("workflows", ".github/workflows/release.yml", '"1.37.0", ', "", "the matrix has"),
    ("plugins", "deploy/istio/bootstrap.yaml", '"metric_namespace"', '"namespace"', "namespace"),
    ("plugins", "deploy/envoy-gateway/access-logger.yaml", '"match_hosts"', '"hosts"', "hosts"),
    ("plugins", "deploy/iam/policy.json", "Envoy/Requests", "Envoy/Others", "does not allow"),
    ("plugins", "deploy/istio/bootstrap.yaml", "gateway.wasm", "sender.wasm", "expected"),
    (
        "common-parts",
        "deploy/istio/bootstrap.yaml",
        "idle_timeout: 15s",
        "idle_timeout: 90s",
        "acpw_cloud_watch",
    ),
    ("common-parts", "deploy/systemd/envoy.yaml", "#text > limit", "#text > 2 * limit", "the code"),
    (
        "common-parts",
        "deploy/ecs/cloudformation.yaml",
        "stat_prefix: main",
        "stat_prefix: others",
        "not the same",
    ),
    (
        "common-parts",
        "deploy/ecs/terraform/main.tf",
        "HTTP/1.1",
        "HTTP/1.0",
        "has not the health check",
    ),
    ("common-parts", "envoy/entrypoint.sh", "limit=", "most=", "is not a copy"),
    ("exposure", "deploy/envoy-gateway/proxy.yaml", "mode: 0600", "mode: 0644", "mode 0600"),
    (
        "exposure",
        "deploy/systemd/envoy.yaml",
        "127.0.0.1, port_value: 3000",
        "0.0.0.0, port_value: 3000",
        "without a token",
    ),
    ("images", "deploy/istio/sender.yaml", "acpw-sender:VERSION", "sender:latest", "sender:latest"),
    (
        "images",
        "deploy/helm/acpw/values.yaml",
        "OWNER/acpw-envoy",
        "somebody/envoy",
        "somebody/envoy",
    ),
    (
        "acpw",
        "acpw/tests/snapshots/outputs__alarms-cloudformation.snap",
        "EvaluationPeriods",
        "EvaluationPeriod",
        "EvaluationPeriod",
    ),
    (
        "acpw",
        "acpw/tests/snapshots/outputs__alarms-terraform.snap",
        "evaluation_periods",
        "evaluation_period",
        "evaluation_period",
    ),
    ("readmes", "deploy/ecs/README.md", "## Remove it", "## The end", "Remove it"),
    ("readmes", "deploy/systemd/README.md", "(acpw.env)", "(acpw.environment)", "acpw.environment"),
]


def faults(root: Path, *checks: str) -> tuple[int, str]:
    command = [sys.executable, str(root / "deploy/validate.py"), "--tools", str(TOOLS), *checks]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.returncode, result.stderr


class PlantedErrors(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        for name in COPIED:
            source, target = ROOT / name, self.root / name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)

    def test_each_is_found(self) -> None:
        for check, file, old, new, expected in PLANTED:
            with self.subTest(check=check, file=file, new=new):
                path = self.root / file
                text = path.read_text()
                self.assertIn(old, text)
                path.write_text(text.replace(old, new, 1))
                status, said = faults(self.root, check)
                path.write_text(text)
                self.assertEqual(status, 1, said)
                self.assertTrue(
                    any(line.startswith(f"{check}: ") for line in said.splitlines()), said
                )
                self.assertIn(expected, said)

    def test_every_check_has_one(self) -> None:
        command = [
            sys.executable,
            str(ROOT / "deploy/validate.py"),
            "--tools",
            str(TOOLS),
            "--list",
        ]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = {line.split()[0] for line in listed.splitlines()}
        self.assertEqual(names, {planted[0] for planted in PLANTED})


if __name__ == "__main__":
    unittest.main()

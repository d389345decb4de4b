"""Renders the chart as `helm template` does and finds things in what comes out."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "melonkube"
VARIATIONS = {"default": None, **{path.name.removesuffix("-values.yaml"): path for path in sorted(CHART.glob("ci/*"))}}
NAMESPACE = "melon-test"
RELEASE = "try"

Object = dict[str, Any]

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on PATH")


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm and return what it said, whatever its exit code."""
    return subprocess.run(["helm", *map(str, arguments)], check=False, text=True, capture_output=True, timeout=60)


def values(variation: str) -> list[str]:
    """Return the arguments that name a variation's values."""
    path = VARIATIONS[variation]
    return [] if path is None else ["--values", str(path)]


def manifest(variation: str, *arguments: str, namespace: str = NAMESPACE, release: str = RELEASE) -> str:
    """Return a variation's manifests as text.

    Raises:
        AssertionError: Helm refused to render them; the message is Helm's.
    """
    done = helm(
        "template", release, CHART, "--kube-version", "1.33", "--namespace", namespace, *values(variation), *arguments
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(variation: str, *arguments: str) -> list[Object]:
    """Return a variation's objects."""
    return [each for each in yaml.safe_load_all(manifest(variation, *arguments)) if each]


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by their names without what all begin with."""
    return {each["metadata"]["name"].rpartition("-")[2]: each for each in objects if each["kind"] == kind}


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield component and spec of every pod that the objects make."""
    for each in objects:
        if each["kind"] == "Pod":
            yield each["metadata"]["labels"]["app.kubernetes.io/component"], each["spec"]
        elif each["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = each["spec"]["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]


def environment(spec: Object) -> dict[str, str]:
    """Return the environment of a pod's one container; of a Secret's entry ``SECRET/KEY``."""
    found = {}
    for each in spec["containers"][0]["env"]:
        assert each["name"] not in found, f"{each['name']} is given twice"
        source = each.get("valueFrom", {}).get("secretKeyRef")
        found[each["name"]] = each["value"] if source is None else f"{source['name']}/{source['key']}"
    return found

import platform

import pytest

from melonkube.contracts.models import BundleManifest
from melonkube.trainer.bundle import GOLDEN_TOLERANCE, BundleError, check_file, make_manifest

FILES = {"model.txt": b"tree", "signature.json": b"{}"}
VERSIONS = {"numpy": "2", "lightgbm": "4"}


def test_a_manifest_is_the_same_for_the_same_files() -> None:
    turned = dict(reversed(FILES.items())), dict(reversed(VERSIONS.items()))
    assert make_manifest("lightgbm", FILES, VERSIONS) == make_manifest("lightgbm", *turned)
    assert make_manifest("lightgbm", FILES, VERSIONS) != make_manifest(
        "lightgbm", FILES | {"model.txt": b"t"}, VERSIONS
    )


def test_a_manifest_says_where_its_scores_were_made() -> None:
    manifest = BundleManifest.model_validate_json(make_manifest("lightgbm", FILES, VERSIONS))
    assert (manifest.format_version, manifest.flavor) == (1, "lightgbm")
    assert (manifest.architecture, manifest.golden_tolerance) == (platform.machine(), GOLDEN_TOLERANCE)
    assert manifest.library_versions == VERSIONS


def test_files_are_checked() -> None:
    manifest = BundleManifest.model_validate_json(make_manifest("lightgbm", FILES, VERSIONS))
    for name, content in FILES.items():
        check_file(manifest, name, content)
    with pytest.raises(BundleError, match=r"model\.txt"):
        check_file(manifest, "model.txt", b"tampered")
    with pytest.raises(BundleError, match="does not list"):
        check_file(manifest, "code.py", b"")

"""What is left of a release that is removed. Last of the files that use it."""

import pytest

from tests.cluster.release import RELEASE, Installed, wait_for_every_replica
from tests.e2e.api import Api

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_what_is_left_when_it_is_removed_serves_the_next(installed: Installed, released: Api, deployed: str) -> None:
    owner = installed.secret(f"{RELEASE}-owner")
    installed.helm("uninstall", RELEASE, "--wait", "--timeout", "3m")
    assert {each["metadata"]["name"] for each in installed.get("persistentvolumeclaims")["items"]} == {
        f"{RELEASE}-registry",
        f"data-{RELEASE}-postgresql-0",
    }
    assert installed.get("deployments,statefulsets,jobs,roles,networkpolicies")["items"] == []
    installed.helm("install", RELEASE, *installed.values())
    assert installed.secret(f"{RELEASE}-owner") == owner
    with Api(installed.url) as again:
        again.http.headers.update({name: released.http.headers[name] for name in ("Host", "Authorization")})
        wait_for_every_replica(again, deployed)

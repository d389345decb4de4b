"""A local copy of the objects of one kind, kept by a list and a watch: nothing is asked per object."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from melonkube.kit.logs import get_logger
from melonkube.tuner.executors.kubernetes.api import ApiFailed, KubeApi
from melonkube.tuner.executors.kubernetes.manifests import Object

log = get_logger("melonkube.tuner.informer")

_PAGE = "500"
_WATCH_SECONDS = (240, 300)
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0

OnChange = Callable[[Object, bool], None]
"""Is told an object that is new or changed, or (True) is gone; called on the event loop, must not raise."""


class Informer:
    """Follows one kind. Owned by the executor; used on its event loop.

    Args:
        api: The cluster.
        path: Of the collection.
        selector: Of labels.
        on_change: Told of each change, in order.
    """

    def __init__(self, api: KubeApi, path: str, selector: str, on_change: OnChange) -> None:
        self._api = api
        self._path = path
        self._selector = {"labelSelector": selector} if selector else {}
        self._on_change = on_change
        self._version = ""
        self.objects: dict[str, Object] = {}
        """By namespace and name."""
        self.synced = asyncio.Event()
        self.forbidden = False
        """Whether the cluster does not allow it: then nothing is followed."""
        self.lists = 0
        """How often everything was listed."""

    async def run(self) -> None:
        """Follow until cancelled, through outages without end. Ends by itself only where it is forbidden."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self._list()
                    failures = 0
                await self._follow()
                failures = 0
            except ApiFailed as error:
                if error.status == 403:
                    log.warning("not allowed to follow", path=self._path, reason=str(error))
                    self.forbidden = True
                    self.synced.set()
                    return
                if error.status == 410 or error.reason in ("Expired", "Gone"):
                    self._version = ""
                elif failures == 0:
                    log.warning("the cluster does not answer", path=self._path, reason=str(error))
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**failures)
                failures = min(failures + 1, 16)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def _list(self) -> None:
        """Read everything, a page at a time, and tell what differs from what is known."""
        found: dict[str, Object] = {}
        token = ""
        while True:
            query = {**self._selector, "limit": _PAGE, **({"continue": token} if token else {})}
            page = await self._api.call("GET", self._path, query)
            for each in page["items"]:
                found[key_of(each)] = _lean(each)
            token = page["metadata"].get("continue") or ""
            if not token:
                break
        self.lists += 1
        for key, gone in [(key, each) for key, each in self.objects.items() if key not in found]:
            del self.objects[key]
            self._on_change(gone, True)
        for key, each in found.items():
            before = self.objects.get(key)
            self.objects[key] = each
            if before is None or _version(before) != _version(each):
                self._on_change(each, False)
        self._version = page["metadata"]["resourceVersion"]
        self.synced.set()

    async def _follow(self) -> None:
        query = {**self._selector, "resourceVersion": self._version}
        seconds = random.randint(*_WATCH_SECONDS)  # noqa: S311 - no secret
        async for event in self._api.watch(self._path, query, seconds):
            self._take(event["type"], event["object"])

    def _take(self, kind: str, each: Any) -> None:
        if kind == "ERROR":
            raise ApiFailed(int(each.get("code") or 0), str(each.get("reason", "")), str(each.get("message", "")))
        self._version = _version(each)
        if kind == "BOOKMARK":
            return
        _lean(each)
        if kind == "DELETED":
            self.objects.pop(key_of(each), None)
        else:
            self.objects[key_of(each)] = each
        self._on_change(each, kind == "DELETED")


def key_of(each: Object) -> str:
    """Return an object's namespace and name as one text."""
    metadata = each["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


_UNREAD = ("template", "volumes", "tolerations", "topologySpreadConstraints", "affinity", "securityContext")
_UNREAD_OF_CONTAINERS = ("env", "envFrom", "volumeMounts", "command", "args", "securityContext", "lifecycle")


def _lean(each: Object) -> Object:
    """Drop what nobody reads, which is most of an object: a thousand pods are kept in memory."""
    each["metadata"].pop("managedFields", None)
    spec = each.get("spec", {})
    for name in _UNREAD:
        spec.pop(name, None)
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        for name in _UNREAD_OF_CONTAINERS:
            container.pop(name, None)
    return each


def _version(each: Object) -> str:
    version: str = each["metadata"]["resourceVersion"]
    return version

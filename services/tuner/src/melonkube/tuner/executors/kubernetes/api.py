"""The cluster's API, as plain JSON: what the executor asks of it, without a class for every kind there is."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes_asyncio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, list_kube_config_contexts

from melonkube.tuner.executors.kubernetes.manifests import Object

_CALL_SECONDS = 30.0
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECTIONS = 64

Query = Mapping[str, str]


class ApiFailed(Exception):
    """The cluster refused a call, or could not be reached: then ``status`` is 0.

    Args:
        status: HTTP status.
        reason: Its machine-readable reason (``AlreadyExists``, ``Expired``, ...).
        message: What it says.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def passing(self) -> bool:
        """Whether trying again may help."""
        return self.status in (0, 408, 429) or self.status >= 500


class NoCluster(Exception):
    """There is no cluster to talk to; the message says what to do."""


class KubeApi:
    """Calls of one cluster. Used on one event loop; close it when done.

    Attributes:
        namespace: The one that the service account or the kubeconfig names.
    """

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    @classmethod
    async def connect(cls) -> "KubeApi":
        """Return the API of the cluster this process runs in, else of the one that ``KUBECONFIG`` names.

        Raises:
            NoCluster: There is neither, or the file is of no use.
        """
        configuration = Configuration()
        namespace = "default"
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ and os.path.exists(_SERVICE_ACCOUNT):  # noqa: ASYNC240 - memory of this pod
                load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
                namespace = (await asyncio.to_thread(_SERVICE_ACCOUNT.read_text)).strip()
            else:
                await load_kube_config(client_configuration=configuration)
                _, active = list_kube_config_contexts()
                namespace = (active or {}).get("context", {}).get("namespace") or "default"
        except (ConfigException, OSError, ssl.SSLError) as error:
            raise NoCluster(
                f"No Kubernetes cluster is known ({error}); set KUBECONFIG, or put the file at "
                f"{KUBE_CONFIG_DEFAULT_LOCATION}."
            ) from error
        configuration.connection_pool_maxsize = _CONNECTIONS
        return cls(ApiClient(configuration), namespace)

    @property
    def address(self) -> str:
        """Where the cluster's API is."""
        return str(self._client.configuration.host)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(
        self, method: str, path: str, query: Query | None, body: Object | None, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            answer: aiohttp.ClientResponse = await self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": kind},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=timeout,
            )
        except ApiException as error:
            raise ApiFailed(error.status or 0, "", str(error.reason)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiFailed(0, "Unreachable", f"The cluster cannot be reached: {_said(error)}") from error
        if answer.status >= 400:
            raise await _failed(answer)
        return answer

    async def call(self, method: str, path: str, query: Query | None = None, body: Object | None = None) -> Object:
        """Call once and return the answer.

        Raises:
            ApiFailed: It was refused, or nobody answered.
        """
        answer = await self._ask(method, path, query, body, aiohttp.ClientTimeout(total=_CALL_SECONDS))
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                found: Object = json.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiFailed(0, "Unreachable", f"The cluster broke off: {_said(error)}") from error
        finally:
            answer.release()
        return found

    async def text(self, path: str, query: Query | None = None) -> str:
        """Get a text, such as a log.

        Raises:
            ApiFailed: It was refused, or nobody answered.
        """
        answer = await self._ask("GET", path, query, None, aiohttp.ClientTimeout(total=_CALL_SECONDS))
        try:
            return (await answer.read()).decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiFailed(0, "Unreachable", f"The cluster broke off: {_said(error)}") from error
        finally:
            answer.release()

    async def watch(self, path: str, query: Query, seconds: int) -> AsyncIterator[Object]:
        """Yield the events of a watch until it ends, at the latest after ``seconds`` and a little.

        Raises:
            ApiFailed: It was refused, or broke off.
        """
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        # A connection through which nothing comes any more is noticed when the watch should long have ended.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=seconds + 15.0)
        answer = await self._ask("GET", path, asked, None, timeout)
        rest = b""
        try:
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiFailed(0, "Unreachable", f"The watch broke off: {_said(error)}") from error
        finally:
            answer.close()


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _failed(answer: aiohttp.ClientResponse) -> ApiFailed:
    said: Any = None
    with suppress(aiohttp.ClientError, TimeoutError, ValueError):
        said = json.loads(await answer.read())
    answer.release()
    if not isinstance(said, dict):
        return ApiFailed(answer.status, "", f"The cluster answered {answer.status}.")
    return ApiFailed(answer.status, str(said.get("reason", "")), str(said.get("message", "")))

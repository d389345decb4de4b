"""Tokens between the parts: short-lived JWTs signed with Ed25519 (RFC 8037), the check cached by the token's bytes."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from melonkube.kit.errors import Unauthenticated
from melonkube.kit.settings import TokenSettings

ISSUER = "melonkube"
DEFAULT_WORKSPACE = "00000000-0000-7000-8000-000000000001"
"""The one workspace there is until people have accounts."""

SCOPE_USER = "user"
SCOPE_SERVICE = "service"
SCOPE_WORKER = "worker"

_CACHE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, on whose behalf, and what they may do.

    ``experiment_id`` and ``dataset_id`` are set for a worker: its token is good for these alone.
    """

    subject: str
    workspace_id: str
    scopes: frozenset[str]
    experiment_id: str | None = None
    dataset_id: str | None = None


@dataclass(frozen=True, slots=True)
class TokenKey:
    """An Ed25519 key pair."""

    private: Ed25519PrivateKey
    public: Ed25519PublicKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", self.private.public_key())

    @classmethod
    def generate(cls) -> "TokenKey":
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> "TokenKey":
        """Return the key in ``pem``.

        Raises:
            ValueError: It is not an Ed25519 private key.
        """
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the token key must be an Ed25519 private key")
        return cls(key)

    @classmethod
    def load(cls, settings: TokenSettings) -> "TokenKey":
        """Return the key that ``settings`` name.

        Raises:
            ValueError: None is named, or it is not an Ed25519 key.
            OSError: The file cannot be read.
        """
        if settings.key is not None:
            return cls.from_pem(settings.key.get_secret_value().encode())
        if settings.key_file is None:
            raise ValueError("no token key: set MELON_TOKENS__KEY_FILE to a PEM file with an Ed25519 private key")
        return cls.from_pem(settings.key_file.read_bytes())

    @classmethod
    def load_or_create(cls, path: Path) -> "TokenKey":
        """Return the key in ``path``, made with mode 0600 if there is none."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pem = cls.generate().to_pem()
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        return cls.from_pem(path.read_bytes())

    def to_pem(self) -> bytes:
        """Return the private key as PKCS #8 PEM."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class TokenSigner:
    """Makes tokens. One for each audience and subject is kept until half of its life is over."""

    def __init__(self, key: TokenKey, lifetime_seconds: float = 300.0) -> None:
        self._key = key
        self._lifetime = lifetime_seconds
        self._kept: dict[tuple[Any, ...], tuple[str, float]] = {}

    def sign(
        self,
        principal: Principal,
        audience: str | tuple[str, ...],
        *,
        lifetime_seconds: float | None = None,
    ) -> str:
        """Return a token for ``principal`` that ``audience`` (names of services) will take."""
        lifetime = lifetime_seconds or self._lifetime
        audiences = [audience] if isinstance(audience, str) else list(audience)
        kept_as = (principal, tuple(audiences), lifetime)
        now = time.time()
        kept = self._kept.get(kept_as)
        if kept is not None and now < kept[1]:
            return kept[0]
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": principal.subject,
            "aud": audiences,
            "iat": int(now),
            "exp": int(now + lifetime),
            "ws": principal.workspace_id,
            "scopes": sorted(principal.scopes),
        }
        if principal.experiment_id is not None:
            claims["experiment"] = principal.experiment_id
        if principal.dataset_id is not None:
            claims["dataset"] = principal.dataset_id
        token = jwt.encode(claims, self._key.private, algorithm="EdDSA")
        if len(self._kept) >= _CACHE_LIMIT:
            self._kept.clear()
        self._kept[kept_as] = (token, now + lifetime / 2)
        return token


class TokenVerifier:
    """Checks tokens meant for one service."""

    def __init__(self, key: TokenKey, audience: str) -> None:
        self._key = key.public
        self._audience = audience
        self._checked: dict[str, tuple[Principal, float]] = {}

    def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            Unauthenticated: It is forged, expired, or meant for another service.
        """
        known = self._checked.get(token)
        now = time.time()
        if known is not None:
            if now < known[1]:
                return known[0]
            del self._checked[token]
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["EdDSA"],
                audience=self._audience,
                issuer=ISSUER,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
            principal = Principal(
                subject=claims["sub"],
                workspace_id=claims["ws"],
                scopes=frozenset(claims["scopes"]),
                experiment_id=claims.get("experiment"),
                dataset_id=claims.get("dataset"),
            )
        except (jwt.PyJWTError, KeyError, TypeError) as error:
            raise Unauthenticated("The token is not valid here; get a new one.") from error
        if len(self._checked) >= _CACHE_LIMIT:
            self._checked.clear()
        self._checked[token] = (principal, float(claims["exp"]))
        return principal

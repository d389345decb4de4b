"""Tokens between the parts."""

import stat
import time
from pathlib import Path

import jwt
import pytest

from melonkube.kit.errors import Unauthenticated
from melonkube.kit.settings import TokenSettings
from melonkube.kit.tokens import DEFAULT_WORKSPACE, Principal, TokenKey, TokenSigner, TokenVerifier

WHO = Principal("worker:1", DEFAULT_WORKSPACE, frozenset({"worker"}), experiment_id="e", dataset_id="d")


def test_a_token_says_who_calls_and_for_what() -> None:
    key = TokenKey.generate()
    token = TokenSigner(key).sign(WHO, ("tuner", "registry"))
    assert TokenVerifier(key, "tuner").verify(token) == WHO
    assert TokenVerifier(key, "registry").verify(token) == WHO


@pytest.mark.parametrize(
    "audience",
    ["serving", "", "Tuner"],
)
def test_a_token_for_another_service_is_refused(audience: str) -> None:
    key = TokenKey.generate()
    token = TokenSigner(key).sign(WHO, ("tuner", "registry"))
    with pytest.raises(Unauthenticated):
        TokenVerifier(key, audience).verify(token)


def test_a_token_of_another_key_is_refused() -> None:
    token = TokenSigner(TokenKey.generate()).sign(WHO, "tuner")
    with pytest.raises(Unauthenticated):
        TokenVerifier(TokenKey.generate(), "tuner").verify(token)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_signed_by_other_means_is_refused(algorithm: str) -> None:
    key = TokenKey.generate()
    claims = {
        "iss": "melonkube",
        "sub": "x",
        "aud": "tuner",
        "exp": int(time.time()) + 60,
        "ws": DEFAULT_WORKSPACE,
        "scopes": ["service"],
    }
    forged = jwt.encode(claims, "" if algorithm == "none" else "k" * 32, algorithm=algorithm)
    with pytest.raises(Unauthenticated):
        TokenVerifier(key, "tuner").verify(forged)


def test_a_cached_check_ends_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    key = TokenKey.generate()
    verifier = TokenVerifier(key, "tuner")
    token = TokenSigner(key).sign(WHO, "tuner", lifetime_seconds=60)
    assert verifier.verify(token) == WHO
    now = time.time()
    monkeypatch.setattr("melonkube.kit.tokens.time.time", lambda: now + 59)
    assert verifier.verify(token) == WHO
    monkeypatch.setattr("melonkube.kit.tokens.time.time", lambda: now + 61)
    monkeypatch.setattr(jwt.api_jwt, "datetime", _Later)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


class _Later:
    """The clock of PyJWT, an hour on."""

    @staticmethod
    def now(tz: object = None) -> object:
        from datetime import UTC, datetime, timedelta

        return datetime.now(UTC) + timedelta(hours=1)


def test_a_signer_keeps_a_token_for_half_of_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = TokenSigner(TokenKey.generate(), lifetime_seconds=100)
    now = time.time()
    monkeypatch.setattr("melonkube.kit.tokens.time.time", lambda: now)
    first = signer.sign(WHO, "tuner")
    assert signer.sign(WHO, "tuner") is first
    monkeypatch.setattr("melonkube.kit.tokens.time.time", lambda: now + 51)
    assert signer.sign(WHO, "tuner") != first


def test_the_key_file_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "token.pem"
    made = TokenKey.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert TokenKey.load_or_create(path).to_pem() == made.to_pem()
    assert TokenKey.load(TokenSettings(key_file=path)).to_pem() == made.to_pem()


def test_without_a_key_the_reason_is_said() -> None:
    with pytest.raises(ValueError, match="MELON_TOKENS__KEY_FILE"):
        TokenKey.load(TokenSettings())

"""How long the parts of a forwarded call may take, and how large the head of a request may be."""

from pydantic import BaseModel, Field


class ForwardSettings(BaseModel):
    """The bounds of every call that is forwarded."""

    connect_seconds: float = Field(default=2.0, gt=0)
    """How long one connection to a service may take to open."""
    connect_attempts: int = Field(default=4, ge=1)
    """How often a connection is tried before the call is given up."""
    resolve_seconds: float = Field(default=2.0, gt=0)
    """How long the addresses behind a service's name are taken for known."""
    aside_seconds: float = Field(default=10.0, gt=0)
    """How long a replica that did not answer is left out, where there are others."""
    hedge_seconds: float = Field(default=2.0, gt=0)
    """After how long without an answer a predict call goes to another replica as well."""
    answer_seconds: float = Field(default=60.0, gt=0)
    """How long a service may take to begin an answer to a call that only reads, or to predict."""
    idle_body_seconds: float = Field(default=120.0, gt=0)
    """How long a client may stop in the middle of a body."""
    head_seconds: float = Field(default=30.0, gt=0)
    """How long a client may take for the head of a request."""
    head_bytes: int = Field(default=65_536, ge=1024)
    """How large the head of a request may be."""

"""Rows of models as the wire has them, and the one request that is the registry's own."""

from pydantic import Field, model_validator

from melonkube.contracts.base import Name, Request
from melonkube.contracts.models import Alias, AliasChange, Model, ModelVersion
from melonkube.registry.models.models import AliasChangeRow, AliasRow, ModelRow, ModelVersionRow


class ReferencePut(Request):
    """What a holder depends on: a version, or an alias and whatever it points at."""

    model: Name
    version: int | None = Field(default=None, ge=1)
    alias: Name | None = None

    @model_validator(mode="after")
    def _check(self) -> "ReferencePut":
        if (self.version is None) == (self.alias is None):
            raise ValueError("give either version or alias")
        return self


def model_of(row: ModelRow, versions: list[int], aliases: dict[str, int]) -> Model:
    """Return the wire form of a model."""
    return Model(
        name=row.name,
        description=row.description,
        latest_version=max(versions, default=None),
        versions=len(versions),
        aliases=dict(sorted(aliases.items())),
        created_at=row.created_at,
    )


def version_of(model: str, row: ModelVersionRow, aliases: list[str]) -> ModelVersion:
    """Return the wire form of a version."""
    return ModelVersion.model_validate(
        {
            "model": model,
            "version": row.version,
            "digest": row.digest,
            "flavor": row.flavor,
            "description": row.description,
            "size_bytes": row.size_bytes,
            "signature": row.signature,
            "input_example": row.input_example,
            "metrics": row.metrics,
            "lineage": row.lineage,
            "aliases": sorted(aliases),
            "created_at": row.created_at,
        }
    )


def alias_of(model: str, row: AliasRow) -> Alias:
    """Return the wire form of an alias."""
    return Alias(model=model, alias=row.alias, version=row.version, updated_at=row.updated_at)


def change_of(row: AliasChangeRow) -> AliasChange:
    """Return the wire form of a change."""
    return AliasChange(seq=row.seq, model=row.model, alias=row.alias, version=row.version)

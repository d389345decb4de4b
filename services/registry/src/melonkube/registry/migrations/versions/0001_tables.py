"""Tables of the registry."""

import sqlalchemy as sa
from alembic import op

from melonkube.kit.db import JsonType, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alias_changes",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("alias", sa.String(length=128), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "model", "alias", name=op.f("pk_alias_changes")),
    )
    op.create_index(op.f("ix_alias_changes_workspace_id_seq"), "alias_changes", ["workspace_id", "seq"], unique=True)

    op.create_table(
        "blobs",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "sha256", name=op.f("pk_blobs")),
        sa.UniqueConstraint("key", name=op.f("uq_blobs_key")),
    )
    op.create_table(
        "change_counters",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_change_counters")),
    )
    op.create_table(
        "dataset_keys",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key", name=op.f("pk_dataset_keys")),
    )
    op.create_index(op.f("ix_dataset_keys_created_at"), "dataset_keys", ["created_at"], unique=False)

    op.create_table(
        "garbage",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_garbage")),
    )
    op.create_table(
        "released",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_released")),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_models_workspace_id_name")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=True),
        sa.Column("encoding", sa.String(length=16), nullable=True),
        sa.Column("delimiter", sa.String(length=1), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("parquet_sha256", sa.String(length=64), nullable=True),
        sa.Column("parquet_bytes", sa.BigInteger(), nullable=True),
        sa.Column(
            "columns",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "warnings",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "problem",
            JsonType,
            nullable=True,
        ),
        sa.Column("kept_when_failed", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "parquet_sha256"],
            ["blobs.workspace_id", "blobs.sha256"],
            name=op.f("fk_datasets_workspace_id_parquet_sha256_blobs"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "sha256"],
            ["blobs.workspace_id", "blobs.sha256"],
            name=op.f("fk_datasets_workspace_id_sha256_blobs"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("workspace_id", "name", "version", name=op.f("uq_datasets_workspace_id_name_version")),
    )
    op.create_index(op.f("ix_datasets_state_lease_until"), "datasets", ["state", "lease_until"], unique=False)
    op.create_index(op.f("ix_datasets_workspace_id_id"), "datasets", ["workspace_id", "id"], unique=False)
    op.create_index(
        op.f("ix_datasets_workspace_id_parquet_sha256"), "datasets", ["workspace_id", "parquet_sha256"], unique=False
    )
    op.create_index(op.f("ix_datasets_workspace_id_sha256"), "datasets", ["workspace_id", "sha256"], unique=False)

    op.create_table(
        "model_aliases",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("alias", sa.String(length=128), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_aliases_model_id_models")),
        sa.PrimaryKeyConstraint("model_id", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_table(
        "model_references",
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("alias", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_references_model_id_models")),
        sa.PrimaryKeyConstraint("workspace_id", "holder", name=op.f("pk_model_references")),
    )
    op.create_index(op.f("ix_model_references_model_id"), "model_references", ["model_id"], unique=False)

    op.create_table(
        "dataset_details",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column(
            "profile",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "preview",
            JsonType,
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_details_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_dataset_details")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("experiment_id", sa.String(length=36), nullable=True),
        sa.Column("trial_id", sa.String(length=36), nullable=True),
        sa.Column("trial_number", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=True),
        sa.Column(
            "params",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "tags",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "latest",
            JsonType,
            nullable=False,
        ),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_runs_dataset_id_datasets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("workspace_id", "trial_id", "attempt", name=op.f("uq_runs_workspace_id_trial_id_attempt")),
    )
    op.create_index(op.f("ix_runs_workspace_id_dataset_id"), "runs", ["workspace_id", "dataset_id"], unique=False)
    op.create_index(
        op.f("ix_runs_workspace_id_experiment_id_id"), "runs", ["workspace_id", "experiment_id", "id"], unique=False
    )
    op.create_index(op.f("ix_runs_workspace_id_id"), "runs", ["workspace_id", "id"], unique=False)

    op.create_table(
        "artifacts",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_artifacts_run_id_runs"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "sha256"],
            ["blobs.workspace_id", "blobs.sha256"],
            name=op.f("fk_artifacts_workspace_id_sha256_blobs"),
        ),
        sa.PrimaryKeyConstraint("run_id", "path", name=op.f("pk_artifacts")),
    )
    op.create_index(op.f("ix_artifacts_workspace_id_sha256"), "artifacts", ["workspace_id", "sha256"], unique=False)

    op.create_table(
        "model_versions",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("artifact_path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("flavor", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "files",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "signature",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "input_example",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "metrics",
            JsonType,
            nullable=False,
        ),
        sa.Column(
            "lineage",
            JsonType,
            nullable=False,
        ),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_versions_model_id_models")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_model_versions_run_id_runs")),
        sa.PrimaryKeyConstraint("model_id", "version", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("model_id", "run_id", "digest", name=op.f("uq_model_versions_model_id_run_id_digest")),
    )
    op.create_index(
        op.f("ix_model_versions_workspace_id_run_id"), "model_versions", ["workspace_id", "run_id"], unique=False
    )

    op.create_table(
        "run_logs",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_logs_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_run_logs")),
    )
    op.create_table(
        "run_metrics",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_metrics_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name", "step", name=op.f("pk_run_metrics")),
    )


def downgrade() -> None:
    op.drop_table("run_metrics")
    op.drop_table("run_logs")
    op.drop_index(op.f("ix_model_versions_workspace_id_run_id"), table_name="model_versions")

    op.drop_table("model_versions")
    op.drop_index(op.f("ix_artifacts_workspace_id_sha256"), table_name="artifacts")

    op.drop_table("artifacts")
    op.drop_index(op.f("ix_runs_workspace_id_id"), table_name="runs")
    op.drop_index(op.f("ix_runs_workspace_id_experiment_id_id"), table_name="runs")
    op.drop_index(op.f("ix_runs_workspace_id_dataset_id"), table_name="runs")

    op.drop_table("runs")
    op.drop_table("dataset_details")
    op.drop_index(op.f("ix_model_references_model_id"), table_name="model_references")

    op.drop_table("model_references")
    op.drop_table("model_aliases")
    op.drop_index(op.f("ix_datasets_workspace_id_sha256"), table_name="datasets")
    op.drop_index(op.f("ix_datasets_workspace_id_parquet_sha256"), table_name="datasets")
    op.drop_index(op.f("ix_datasets_workspace_id_id"), table_name="datasets")
    op.drop_index(op.f("ix_datasets_state_lease_until"), table_name="datasets")

    op.drop_table("datasets")
    op.drop_table("models")
    op.drop_table("released")
    op.drop_table("garbage")
    op.drop_index(op.f("ix_dataset_keys_created_at"), table_name="dataset_keys")

    op.drop_table("dataset_keys")
    op.drop_table("change_counters")
    op.drop_table("blobs")
    op.drop_index(op.f("ix_alias_changes_workspace_id_seq"), table_name="alias_changes")

    op.drop_table("alias_changes")

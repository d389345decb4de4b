"""Rows of data sets as the wire has them."""

from typing import Any

from melonkube.contracts.datasets import Dataset, Preview, Profile
from melonkube.registry.datasets.models import DatasetDetailRow, DatasetRow


def dataset_of(row: DatasetRow) -> Dataset:
    """Return the wire form of a data set."""
    return Dataset.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "version": row.version,
            "state": row.state,
            "rows": row.rows,
            "sha256": row.sha256,
            "size_bytes": row.size_bytes,
            "format": row.format,
            "encoding": row.encoding,
            "delimiter": row.delimiter,
            "file_name": row.file_name,
            "parquet_sha256": row.parquet_sha256,
            "parquet_bytes": row.parquet_bytes,
            "columns": row.columns,
            "warnings": row.warnings,
            "problem": row.problem,
            "created_at": row.created_at,
        }
    )


def preview_of(row: DatasetRow, detail: DatasetDetailRow, limit: int) -> Preview:
    """Return the first ``limit`` rows."""
    return Preview(columns=_names(row), rows=detail.preview[:limit], total_rows=row.rows or 0)


def profile_of(row: DatasetRow, detail: DatasetDetailRow) -> Profile:
    """Return the profile of every column."""
    return Profile.model_validate({"dataset_id": row.id, "rows": row.rows, "columns": detail.profile})


def _names(row: DatasetRow) -> list[Any]:
    return [column["name"] for column in row.columns]


UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "title": "DatasetUpload",
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV, TSV or Parquet.",
                        },
                        "name": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 128,
                            "description": "Name of the data set; by default the file's, without its ending.",
                        },
                    },
                }
            }
        },
    }
}
"""What FastAPI cannot see, because the body is read as it comes."""

"""Problems on the wire: RFC 9457, with a stable code that programs and translations rely on."""

from enum import StrEnum

from melonkube.contracts.base import Answer


class ErrorCode(StrEnum):
    """Stable names of what can go wrong. A code is never renamed; its sentence may be."""

    # the request
    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    PRECONDITION_FAILED = "precondition_failed"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    HOST_NOT_ALLOWED = "host_not_allowed"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    NAME_TAKEN = "name_taken"
    IN_USE = "in_use"
    CONFLICT = "conflict"
    GONE = "gone"
    CLIENT_CLOSED = "client_closed_request"
    # a data set
    EMPTY_FILE = "empty_file"
    HEADER_ONLY = "header_only"
    RAGGED_ROWS = "ragged_rows"
    DUPLICATE_COLUMN = "duplicate_column"
    EMPTY_COLUMN_NAME = "empty_column_name"
    UNDECODABLE = "undecodable"
    UNKNOWN_FORMAT = "unknown_format"
    MISLABELLED_FILE = "mislabelled_file"
    UNSUPPORTED_COLUMN_TYPE = "unsupported_column_type"
    TOO_MANY_COLUMNS = "too_many_columns"
    DATASET_NOT_READY = "dataset_not_ready"
    DATASET_FAILED = "dataset_failed"
    # an experiment
    TARGET_UNKNOWN = "target_unknown"
    TARGET_CONSTANT = "target_constant"
    TARGET_MISSING = "target_missing"
    TARGET_RARE_CLASS = "target_rare_class"
    TARGET_TOO_MANY_CLASSES = "target_too_many_classes"
    TARGET_NOT_NUMERIC = "target_not_numeric"
    TOO_FEW_ROWS = "too_few_rows"
    NO_FEATURES = "no_features"
    COLUMN_UNKNOWN = "column_unknown"
    COLUMN_KIND_IMPOSSIBLE = "column_kind_impossible"
    METRIC_NOT_FOR_TASK = "metric_not_for_task"
    SEARCH_SPACE_INVALID = "search_space_invalid"
    PARAMETER_UNKNOWN = "parameter_unknown"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    UNSCHEDULABLE = "unschedulable"
    TRAINER_UNKNOWN = "trainer_unknown"
    EXPERIMENT_FINISHED = "experiment_finished"
    NO_COMPLETED_TRIAL = "no_completed_trial"
    # the worker
    LEASE_LOST = "lease_lost"
    # a model, an endpoint
    NOT_A_BUNDLE = "not_a_bundle"
    UNSAFE_ARTIFACT = "unsafe_artifact"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    ENDPOINT_NOT_READY = "endpoint_not_ready"
    INVALID_INSTANCES = "invalid_instances"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    WRONG_TYPE = "wrong_type"
    # the system
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    STORAGE_FULL = "storage_full"
    NOT_READY = "not_ready"
    INTERNAL = "internal"


class ProblemItem(Answer):
    """One of several faults of a request; ``pointer`` is a JSON pointer into the body (RFC 6901)."""

    pointer: str
    code: str
    detail: str


class Problem(Answer):
    """``application/problem+json``. ``detail`` is a sentence that says what to do."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = None
    request_id: str | None = None
    errors: list[ProblemItem] | None = None

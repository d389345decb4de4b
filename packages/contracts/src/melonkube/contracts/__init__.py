"""Wire types, enums, error codes and ids that every part of MelonKube agrees on.

Nothing here does input or output, and nothing but pydantic is imported, so that the SDK, a worker in a
pod and each service can share it at no cost. One module a subject: ``datasets``, ``runs``, ``models``,
``experiments``, ``workload``, ``worker``, ``endpoints``, ``signature``, ``space``, ``events``, ``system``,
``errors``.
"""

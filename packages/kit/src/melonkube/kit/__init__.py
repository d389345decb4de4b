"""The chassis of a service: settings, database, errors, tokens, HTTP client, logs, metrics, health.

Every service is built by :func:`melonkube.kit.app.create_service_app` and run by
:func:`melonkube.kit.server.serve`; importing this package starts nothing.
"""

"""The tuner's schema, revision by revision."""

"""Calls the registry must receive sooner or later, kept until it has."""

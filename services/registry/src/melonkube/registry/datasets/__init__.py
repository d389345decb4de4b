"""Data sets: uploads, their typed copies, profiles and versions."""

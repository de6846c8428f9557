"""Stands in for setuptools while ``pip download`` fetches an sdist: see build_meta.py."""

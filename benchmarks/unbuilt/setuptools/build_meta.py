"""A build backend that builds nothing.

``pip download`` asks an sdist for its metadata, which runs its setup.py and first installs all that it names: several
GB for a package that names torch. This backend hands over the PKG-INFO in every sdist, so no code of it is run.
"""

import email
from pathlib import Path


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    metadata = Path("PKG-INFO").read_text(encoding="utf-8")
    headers = email.message_from_string(metadata)
    folder = Path(metadata_directory, f"{headers['Name']}-{headers['Version']}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    return folder.name


class __legacy__:  # noqa: N801  the name by which pip finds the backend of a package without pyproject.toml
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)

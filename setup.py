"""The one thing pyproject.toml cannot say: rules/ stands at the top and is imported as flake8_mps.rules."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["flake8_mps", "flake8_mps.*"]),
        "flake8_mps.rules",
        *(f"flake8_mps.rules.{package}" for package in find_packages("rules")),
    ],
    package_dir={"flake8_mps.rules": "rules"},
)

"""The rules: one file is one rule. Imported as ``flake8_mps.rules``."""

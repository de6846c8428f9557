"""``python -m flake8_mps``."""

from .cli import main

raise SystemExit(main())

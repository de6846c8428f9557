"""Running what a finding claims: on a Mac, or on an emulated one, beside a control. Never imported by the linter."""

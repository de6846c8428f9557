"""The operator table that is shipped, through its reader."""

from __future__ import annotations

from flake8_mps import operators
from flake8_mps.operators import State


def test_releases_are_those_with_mps() -> None:
    assert operators.releases() == ("1.12", "1.13", *(f"2.{minor}" for minor in range(16)))


def test_a_public_name_says_since_when_and_for_which_operator() -> None:
    eigh = operators.api("torch.linalg.eigh")
    assert (eigh.states["2.13"], eigh.states["2.14"], eigh.added) == (State.MISSING, State.KERNEL, "2.14")
    assert (eigh.operators["2.13"], eigh.operators["2.14"]) == (("_linalg_eigh.eigenvalues",), ())
    assert operators.api("torch.no_such_name") is None


def test_what_every_release_supports_is_known_too() -> None:
    assert "torch.abs" not in operators.names_not_everywhere()
    assert operators.api("torch.abs").added == "1.12"


def test_silent_fallbacks_are_a_state_of_their_own() -> None:
    assert operators.api("torch.svd").states["2.13"] is State.FALLBACK
    assert operators.operator("linalg_svd").states["2.13"] is State.FALLBACK

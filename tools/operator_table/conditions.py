"""Which argument decides, where only some forms of a call are supported.

For every name that is partial, by hand, the arguments that PyTorch's sources choose by (DIMENSIONS stands for those of the
first tensor). From the recorded calls follow the values: those with which every call fails. A name that is not here and
turns out partial is an error; an empty entry says that no literal decides, and the name is never reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from operator_table.apis import DIMENSIONS, Api, Call, Parameters
from operator_table.decide import FAILS, FALLBACK, PARTIAL, UNKNOWN, Release, Verdict, of_calls
from operator_table.publish import steps

SIZES = ()  # of tensors, or their dtype: nothing that is written in the call
RESIZING = (("mode",), ("mode", DIMENSIONS))
DECIDING: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("nn.functional.adaptive_avg_pool1d", "adaptive_avg_pool1d", "nn.AdaptiveAvgPool1d"), SIZES),
    **dict.fromkeys(("nn.functional.adaptive_avg_pool2d", "nn.AdaptiveAvgPool2d"), SIZES),
    **dict.fromkeys(("nn.functional.interpolate", "nn.functional.upsample", "nn.Upsample"), RESIZING),
    "nn.functional.upsample_nearest": ((DIMENSIONS,),),
    **dict.fromkeys(("nn.functional.adaptive_avg_pool3d", "nn.AdaptiveAvgPool3d"), (("output_size",),)),
    "nn.functional.grid_sample": ((DIMENSIONS,), ("mode", DIMENSIONS), ("padding_mode", DIMENSIONS)),
    "grid_sampler_2d": SIZES,  # called by grid_sample
    **dict.fromkeys(("round", "Tensor.round", "Tensor.round_", "special.round"), (("decimals",),)),
    **dict.fromkeys(("unique", "Tensor.unique"), (("dim",),)),
    **dict.fromkeys(("norm", "Tensor.norm"), (("p",),)),
    **dict.fromkeys(("linalg.norm", "linalg.matrix_norm"), (("ord",),)),
    **dict.fromkeys(("linalg.cond",), (("p",),)),
    **dict.fromkeys(("linalg.matrix_rank", "linalg.pinv"), (("hermitian",),)),
    **dict.fromkeys(("linalg.svd", "linalg.svdvals"), (("driver",),)),
    "linalg.vecdot": SIZES,  # vdot for dense vectors, otherwise a sum
    **dict.fromkeys(("nn.functional.embedding", "nn.functional.embedding_bag", "nn.Embedding"), (("max_norm",),)),
    **dict.fromkeys(("nn.functional.kl_div", "kl_div", "nn.KLDivLoss"), (("log_target",),)),
    "nn.LSTM": (("proj_size",),),
    "nn.LocalResponseNorm": ((DIMENSIONS,),),
    "rsub": SIZES,  # a number or a tensor
    **dict.fromkeys(("isclose", "Tensor.isclose", "nn.CrossEntropyLoss", "nn.LinearCrossEntropyLoss"), SIZES),
    **dict.fromkeys(("cdist", "take_along_dim", "Tensor.take_along_dim", "Tensor.random_"), SIZES),
    **dict.fromkeys(("linalg.matrix_power", "matrix_power", "Tensor.matrix_power"), SIZES),
    **dict.fromkeys(("nn.functional.ctc_loss", "ctc_loss", "nn.CTCLoss"), SIZES),
    **dict.fromkeys(("gather", "Tensor.gather"), (("sparse_grad",),)),
}


class Undecided(Exception):
    """A name is partial, and nobody has said which argument decides."""


@dataclass(frozen=True)
class Form:
    """Calls with these values of the arguments that decide, and what each release does with them."""

    arguments: tuple[str, ...]
    values: tuple[object, ...]
    fates: tuple[Verdict, ...]
    messages: frozenset[str]

    def says_more(self, verdicts: Sequence[Verdict], known: Iterable[Form]) -> bool:
        """More than the verdicts on all calls do, and than the forms that are known already."""
        for number, (fate, whole) in enumerate(zip(self.fates, verdicts, strict=True)):
            if fate.state in FAILS + FALLBACK and fate.state != whole.state:
                if not any(form.covers(self) and form.fates[number].state == fate.state for form in known):
                    return True
        return False

    def covers(self, other: Form) -> bool:
        mine, its = dict(zip(self.arguments, self.values)), dict(zip(other.arguments, other.values))
        return mine.items() <= its.items()


def of_api(name: str, apis: Sequence[Api], releases: Sequence[Release], verdicts: Sequence[Verdict]) -> list[dict]:
    """The conditions as flake8_mps/operators/ reads them. Raises Undecided."""
    deciding = DECIDING.get(name.removeprefix("torch."))
    partial = (verdict.state == PARTIAL and release.alike for verdict, release in zip(verdicts, releases, strict=True))
    if deciding is None and any(partial):
        raise Undecided(f"{name}: {''.join(verdict.state for verdict in verdicts)} {verdicts}")
    calls = [call for api in apis for call in api.calls if not call.trivial]
    parameters = max((api.parameters for api in apis), key=lambda parameters: len(parameters.positional))
    known: list[Form] = []
    found: list[dict] = []
    for arguments in deciding or ():
        forms = list(_forms(arguments, calls, releases))
        new = [form for form in forms if form.says_more(verdicts, known)]
        known += new
        found += _written(new, forms, parameters)
    return found


def _forms(arguments: tuple[str, ...], calls: Sequence[Call], releases: Sequence[Release]) -> Iterator[Form]:
    groups = defaultdict(list)
    for call in calls:
        values = tuple(call.literals.get(argument) for argument in arguments)
        if ... not in values:
            groups[tuple((type(value), value) for value in values)].append(call)
    for values, group in groups.items():
        found = (of_calls(group, release) for release in releases)
        fates = tuple(Verdict(UNKNOWN) if fate.state == PARTIAL else fate for fate in found)
        yield Form(arguments, tuple(value for _, value in values), fates, _said_to_all(group, releases))


def _said_to_all(calls: Sequence[Call], releases: Sequence[Release]) -> frozenset[str]:
    """The messages with which some release refuses every one of these calls."""
    said = [of_calls([call], release).messages for release in releases for call in calls]
    heard = [messages for messages in said if messages]
    return frozenset.intersection(*heard) if heard else frozenset()


def _written(new: list[Form], every: list[Form], parameters: Parameters) -> Iterator[dict]:
    """Forms of the same fate as one, as `Condition` of flake8_mps/operators/ describes it."""
    groups = defaultdict(list)
    for form in new:
        dimensions = dict(zip(form.arguments, form.values)).get(DIMENSIONS)
        groups[form.fates, form.messages, dimensions if len(form.arguments) > 1 else None].append(form)
    for (fates, _, dimensions), forms in groups.items():
        argument = next((argument for argument in forms[0].arguments if argument != DIMENSIONS), None)
        entry: dict[str, object] = {"states": "".join(fate.state for fate in fates)}
        entry["by"] = steps(fate.operators for fate in fates)
        if forms[0].messages:
            entry["message"] = min(forms[0].messages)
        if argument is None:
            entry["dimensions"] = sorted(form.values[0] for form in forms)
        else:
            entry |= _values(argument, forms, every, parameters)
            if dimensions is not None:
                entry["dimensions"] = [dimensions]
        yield entry


def _values(argument: str, forms: list[Form], every: list[Form], parameters: Parameters) -> dict[str, object]:
    failing = [form.values[0] for form in forms]
    working = {form.values[0] for form in every if form.values[0] not in failing}
    default = parameters.defaults.get(argument)
    entry: dict[str, object] = {"argument": argument}
    if argument in parameters.positional:
        entry["position"] = parameters.positional.index(argument)
    if all(map(_is_number, failing)) and all(value in (None, default) or _is_one(value) for value in working):
        return {**entry, "values": [], "but": sorted(working, key=repr)}  # every number that was tried, so any
    return {**entry, "values": sorted(failing, key=repr), **({"omitted": True} if default in failing else {})}


def _is_number(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_number(part) for part in value)
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _is_one(value: object) -> bool:
    """0, 1 or (1, 1, 1): numbers for which there is nothing, or next to nothing, to do."""
    return set(value if isinstance(value, tuple) else [value]) <= {0, 1}

"""The numbers that a script reports: printed, logged, written to files, sent to a service."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from trialwright.app.script.configs import path_of
from trialwright.app.script.functions import fired_function, returned
from trialwright.app.script.names import is_metric, is_step, slug, split_of, vocabulary
from trialwright.app.script.options import keywords
from trialwright.app.script.setting import Reported, Spot
from trialwright.app.script.source import Source
from trialwright.app.script.template import Line, Slot, logged, pairs, pattern, printed

_PRINT = vocabulary(
    "print echo secho pprint print_rank_0 master_print print0 rank_zero_print print_log"
    " set_description set_postfix_str set_description_str"
)
_LOG = vocabulary("info warning debug log success critical error log_info rank_zero_info")
_WRITE = re.compile(r"(sys\.(stdout|stderr)|tqdm|.*\b(pbar|bar|progress\w*))\.write")
_SERVICES = {
    "wandb": "Weights & Biases",
    "mlflow": "MLflow",
    "comet_ml": "Comet",
    "neptune": "neptune",
}
_SEPARATORS = re.compile(r"[,;|│┃\[\]{}\t]|\s{2,}|:\s|\.\s|\s-+\s|->|=>|>>")
_EDGES = " \t:=>[]('\"-{~|│┃#*.,)→≈"


def read_reported(source: Source) -> list[Reported]:
    """Return every number that looks like a metric, in the order of the text."""
    found: list[Reported] = []
    for call in source.calls:
        repeated = _repeated(source, call)
        found += [
            replace(reported, line=reported.line or call.lineno, repeated=repeated)
            for reported in _reports(source, call)
        ]
    found += _fired(source)
    found += _progress(source)
    return found


def _reports(source: Source, call: ast.Call) -> Iterator[Reported]:  # noqa: C901  # a case each
    name = source.called(call)
    last = name.rpartition(".")[2]
    if name in ("trialwright.emit", "trialwright.emit.emit"):
        yield from _emitted(call)
    elif last in ("add_scalar", "add_scalars"):
        yield from _scalar(source, call)
    elif last in ("DictWriter", "writerow", "writeheader"):
        yield from _columns(source, call)
    elif _is_service(source, call):
        yield from _unreachable(source, call)
    elif _goes_to_output(source, call):
        lines = logged(source, call) if last in _LOG else printed(source, call)
        if last == "set_postfix":
            lines = pairs(list(keywords(call).items()), quote="", colon="=")
        for line in lines:
            yield from _from_line(source, line, call)
    elif last == "write" and call.args:
        yield from _json_lines(source, call)
    elif isinstance(call.func, ast.Name) and call.func.id in _json_printers(source):
        for line in pairs(list(keywords(call).items()), quote='"', colon=": "):
            yield from _from_line(source, line, call)


def _goes_to_output(source: Source, call: ast.Call) -> bool:
    name = source.called(call)
    last = name.rpartition(".")[2]
    if last == "write":
        return bool(_WRITE.fullmatch(name))
    if last not in _PRINT | _LOG | {"set_postfix"}:
        return False
    target = keywords(call).get("file")
    return target is None or source.dotted(target) in ("sys.stderr", "sys.stdout")


def _emitted(call: ast.Call) -> Iterator[Reported]:
    for name in keywords(call):
        if name not in ("step", "final"):
            yield Reported(metric=name, where="emit", split=split_of(name))


def _from_line(source: Source, line: Line, call: ast.Call) -> Iterator[Reported]:
    """The metrics of one printed line; all of them share its pattern."""
    named: dict[int, str] = {}
    origin: dict[int, str] = {}
    for index, label in labels(line).items() or _bare(source, line).items():
        name = slug(label)
        if is_step(name) and not ({"epoch", "step"} & set(named.values())):
            named[index] = "epoch" if "epoch" in name else "step"
        elif is_metric(name):
            # A bare word such as `Accuracy` gets the data set that the line or the value names.
            split = split_of(label) or _split_around(source, line, index, call)
            short = {"validation": "val"}.get(split, split)
            full = name if split_of(name) or not short else f"{short}_{name}"
            if full not in named.values():
                named[index], origin[index] = full, split
    if not origin:
        return
    text = pattern(line, named)
    for index, split in origin.items():
        yield Reported(
            metric=named[index],
            where="output",
            pattern=text,
            split=split,  # type: ignore[arg-type]  # comes from `split_of`
        )


def labels(line: Line) -> dict[int, str]:
    """Return the words before each slot of a line, by the slot's index.

    A percentage in brackets takes the label of the count before it: `Accuracy: 9/10 (90%)`.
    """
    found: dict[int, str] = {}
    pending = ""
    for index, piece in enumerate(line):
        if not isinstance(piece, Slot):
            continue
        before = line[index - 1] if index else ""
        label = _label(before) if isinstance(before, str) else ""
        after = line[index + 1] if index + 1 < len(line) else ""
        after = after if isinstance(after, str) else ""
        if label and after.startswith("/"):
            pending = label
        if not label and pending and after.lstrip().startswith("%"):
            label = pending
            found = {at: name for at, name in found.items() if name != pending}
        if label:
            found[index] = label
    return found


def _bare(source: Source, line: Line) -> dict[int, str]:
    """A line that is one value, under the value's own name: `print(accuracy)`."""
    if len(line) != 1 or not isinstance(line[0], Slot) or line[0].value is None:
        return {}
    name = _name_of(source, line[0].value)
    return {0: name} if name else {}


def _label(text: str) -> str:
    stripped = text.rstrip(_EDGES)
    label = _SEPARATORS.split(stripped)[-1].strip(_EDGES)
    return label if re.search(r"[A-Za-z]", label) and len(label) <= 60 else ""


def _name_of(source: Source, node: ast.expr) -> str:
    if isinstance(node, ast.Call) and node.args and source.called(node) in ("round", "float"):
        return _name_of(source, node.args[0])
    return source.dotted(node).rpartition(".")[2]


def _split_around(source: Source, line: Line, index: int, call: ast.Call) -> str:
    """The data set of a value, from its line, from where the value comes from, or its function."""
    text = " ".join(piece for piece in line[:index] if isinstance(piece, str))
    slot = line[index]
    value = slot.value if isinstance(slot, Slot) else None
    own = split_of(text)
    if own:
        return own
    if value is not None:
        traced = split_of(_traced(source, value))
        if traced:
            return traced
    function = next((n for n in source.around(call) if isinstance(n, ast.FunctionDef)), None)
    named = split_of(function.name) if function is not None else ""
    return "" if named == "train" else named


def _traced(source: Source, value: ast.expr, depth: int = 0) -> str:
    """The names in an expression, and in what they are set to."""
    words: list[str] = []
    for node in ast.walk(value):
        if isinstance(node, ast.Name):
            words.append(node.id)
            if node.id in source.assigned and depth < 2:
                words.append(_traced(source, source.assigned[node.id], depth + 1))
        elif isinstance(node, ast.Attribute):
            words.append(node.attr)
    return " ".join(words)


def _scalar(source: Source, call: ast.Call) -> Iterator[Reported]:
    given = keywords(call)
    node = call.args[0] if call.args else given.get("tag")
    tag = source.scalar(node) if node is not None else None
    if not isinstance(tag, str) or not is_metric(slug(tag)):
        return
    yield Reported(
        metric=slug(tag),
        where="tensorboard",
        source=tag,
        split=split_of(tag),
        spot=_event_folder(source),
    )


def _event_folder(source: Source) -> Spot:
    for call in source.calls:
        if source.called(call).rpartition(".")[2] in ("SummaryWriter", "TensorBoardLogger"):
            node = call.args[0] if call.args else keywords(call).get("log_dir")
            return _place(source, node) if node is not None else Spot("runs")
    return Spot("runs")


def _place(source: Source, node: ast.expr) -> Spot:
    """A path's literal part, or the setting that names its folder (`args.log_dir`)."""
    text = source.scalar(node)
    if isinstance(text, str):
        return Spot(text)
    path = path_of(source, node)
    if path is not None:
        return Spot(str(path))
    tops = [node]
    if isinstance(node, ast.Name) and node.id in source.assigned:
        tops.append(source.assigned[node.id])
    inner = [part for top in tops for part in ast.walk(top)]
    keys = {id(part.slice) for part in inner if isinstance(part, ast.Subscript)}
    literals = [
        part.value.strip("/")
        for part in inner
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in keys
    ]
    named = [setting for part in inner if (setting := _setting_named(source, part))]
    named_files = [text for text in literals if "." in text]
    literal = (named_files or literals or [""])[0]
    return Spot(literal, named[0] if named else "")


def _setting_named(source: Source, node: ast.AST) -> str:
    """The setting behind `args.log_dir`, `cfg.logging.file` or `cfg["logging"]["file"]`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        key = node.attr if isinstance(node, ast.Attribute) else source.scalar(node.slice)
        if not isinstance(key, str):
            return ""
        parts.append(key)
        node = node.value
    known = isinstance(node, ast.Name) and node.id not in source.imports
    return ".".join(reversed(parts)) if known else ""


def _columns(source: Source, call: ast.Call) -> Iterator[Reported]:
    """The columns of a CSV file: `DictWriter`'s field names, or a row of plain texts."""
    given = keywords(call)
    last = source.called(call).rpartition(".")[2]
    node = given.get("fieldnames", call.args[1] if len(call.args) > 1 else None)
    if last == "writerow":
        node = call.args[0] if call.args else None
    names = source.value(node) if node is not None else None
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        return
    writer = call.func.value if isinstance(call.func, ast.Attribute) else None
    opener = _writer_file(source, call if last == "DictWriter" else writer)
    for name in names:
        if is_metric(slug(name)):
            yield Reported(
                metric=slug(name), where="file", source=name, split=split_of(name), spot=opener
            )


def _writer_file(source: Source, node: ast.AST | None) -> Spot:
    """The path behind `csv.writer(handle)`: follow the handle to its `open`."""
    if isinstance(node, ast.Name) and node.id in source.assigned:
        node = source.assigned[node.id]
    if not (isinstance(node, ast.Call) and node.args):
        return Spot()
    return _opened(source, node.args[0])


def _opened(source: Source, handle: ast.expr) -> Spot:
    if isinstance(handle, ast.Call) and source.called(handle).endswith("open"):
        return _open_path(source, handle)
    name = source.dotted(handle)
    if name in source.assigned:
        return _opened(source, source.assigned[name]) if isinstance(handle, ast.Name) else Spot()
    for node in source.nodes:
        if isinstance(node, ast.withitem) and node.optional_vars is not None:
            opener = node.context_expr
            if source.dotted(node.optional_vars) == name and isinstance(opener, ast.Call):
                inside = any(outer is source.parents[node] for outer in source.around(handle))
                if inside:
                    return _open_path(source, opener)
    return Spot()


def _open_path(source: Source, opener: ast.Call) -> Spot:
    if isinstance(opener.func, ast.Attribute) and source.called(opener).endswith(".open"):
        return _place(source, opener.func.value)
    return _place(source, opener.args[0]) if opener.args else Spot()


def _json_lines(source: Source, call: ast.Call) -> Iterator[Reported]:
    """Read `file.write(json.dumps({...}))`: a line of JSON in a file."""
    if not isinstance(call.func, ast.Attribute) or "dumps" not in source.text_of(call.args[0]):
        return
    place = _opened(source, call.func.value)
    for node in ast.walk(call.args[0]):
        if isinstance(node, ast.Dict) and place != Spot():
            for key in node.keys:
                name = source.scalar(key) if key is not None else None
                if isinstance(name, str) and is_metric(slug(name)):
                    yield Reported(
                        metric=slug(name),
                        where="file",
                        source=name,
                        split=split_of(name),
                        spot=place,
                    )


def _json_printers(source: Source) -> frozenset[str]:
    """Functions of the script that print their keyword arguments as JSON."""
    found = set()
    for function in source.functions.values():
        if function.args.kwarg is None:
            continue
        inner = " ".join(source.text_of(n) for n in ast.walk(function) if isinstance(n, ast.Call))
        dumped = re.search(r"\bdumps?\(\s*\**" + re.escape(function.args.kwarg.arg), inner)
        if dumped and ("stdout" in inner or "print(" in inner):
            found.add(function.name)
    return frozenset(found)


def _is_service(source: Source, call: ast.Call) -> bool:
    name = source.called(call)
    owner, _, last = name.rpartition(".")
    if owner.split(".")[0] in _SERVICES and last in ("log", "log_metric", "log_metrics"):
        return True
    return last in ("log_metric", "log_metrics") or (owner in ("run", "self") and last == "log")


def _unreachable(source: Source, call: ast.Call) -> Iterator[Reported]:
    owner = source.called(call).split(".")[0]
    service = _SERVICES.get(owner, "PyTorch Lightning" if owner == "self" else "a tracker")
    names = [source.scalar(argument) for argument in call.args[:1]]
    for argument in call.args[:1]:
        if isinstance(argument, ast.Dict):
            names = [source.scalar(key) for key in argument.keys if key is not None]
    for name in names:
        if isinstance(name, str) and is_metric(slug(name)):
            yield Reported(
                metric=slug(name), where="unreachable", source=service, split=split_of(name)
            )


def _fired(source: Source) -> Iterator[Reported]:
    """Fire prints what the function returns: a mapping as `name: value` lines, a number bare."""
    function = fired_function(source)
    if function is None:
        return
    for value in returned(function):
        named = isinstance(value, ast.Name) and value.id in source.assigned
        held = source.assigned[value.id] if named else value  # type: ignore[attr-defined]
        if not isinstance(held, ast.Dict):
            continue
        for key, inner in zip(held.keys, held.values, strict=True):
            name = source.scalar(key) if key is not None else None
            if isinstance(name, str) and is_metric(slug(name)):
                line: Line = (f"{name}: ", Slot(inner))
                yield Reported(
                    metric=slug(name),
                    where="output",
                    pattern="^" + pattern(line, {1: slug(name)}),
                    split=split_of(name) or split_of(_traced(source, inner)),
                    line=value.lineno,
                )


def _progress(source: Source) -> Iterator[Reported]:
    """Keras and Lightning print the names that they are given on lines of their own."""
    for call in source.calls:
        last = source.called(call).rpartition(".")[2]
        given = keywords(call)
        if last == "compile" and "keras" in source.text:
            held = "validation_" in source.text
            metrics = source.value(given["metrics"]) if "metrics" in given else ()
            names = (
                ["loss", *(m for m in metrics if isinstance(m, str))]
                if isinstance(metrics, tuple)
                else ["loss"]
            )
            for name in names:
                full = f"val_{name}" if held else name
                yield Reported(
                    metric=slug(full),
                    where="output",
                    pattern=rf"\b{re.escape(full)}:\s*(?P<{slug(full)}>[-+.\w]*\w)",
                    split="validation" if held else "",
                    line=call.lineno,
                    repeated=True,
                )


def _repeated(source: Source, call: ast.Call) -> bool:
    for outer in source.around(call):
        if isinstance(outer, ast.For | ast.While):
            return True
        if isinstance(outer, ast.FunctionDef):
            return outer.name in _called_in_loops(source)
    return False


def _called_in_loops(source: Source) -> frozenset[str]:
    loops = (node for node in source.nodes if isinstance(node, ast.For | ast.While))
    return frozenset(
        source.called(inner)
        for loop in loops
        for inner in ast.walk(loop)
        if isinstance(inner, ast.Call)
    )

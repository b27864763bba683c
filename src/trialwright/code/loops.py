"""Edits around the loop of PyTorch code: schedules, clipping, stopping, smoothing, weights.

Each looks for a loop that it recognises, and edits nothing where it is not sure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import libcst as cst

from trialwright.code.trees import (
    Code,
    Edits,
    Replacement,
    before,
    block_of,
    keyword,
    line_of,
    new_statement,
    starred,
    statement_of,
    walk,
    with_keyword,
    with_lines,
    without_keyword,
)

_OPTIMIZER = re.compile(r"torch\.optim\.[A-Z]\w+")
_USUAL = frozenset({"optimizer", "opt"})
_SCHEDULED = re.compile(
    r"lr_scheduler|sched|get_lr|set_lr|adjust_(lr|learning)|\[['\"]lr['\"]\]\s*=|warm_?up|anneal",
    re.I,
)
_WARMED = re.compile(r"GradScaler|clip_grad|\.clip_by")
_PREPARED = re.compile(
    r"\.init\.|init_weights|from_pretrained|load_state_dict|pretrained|weights\s*="
)

SCHEDULES: dict[str, str] = {
    "cosine": "torch.optim.lr_scheduler.CosineAnnealingLR({optimizer}, T_max={count})",
    "one-cycle": (
        "torch.optim.lr_scheduler.OneCycleLR({optimizer}, "
        'max_lr=[group["lr"] for group in {optimizer}.param_groups], total_steps={count}, '
        "cycle_momentum=False)"
    ),
    "step": (
        "torch.optim.lr_scheduler.StepLR({optimizer}, step_size=max(1, {count} // 3), gamma=0.1)"
    ),
    "warmup": (
        "torch.optim.lr_scheduler.LinearLR({optimizer}, start_factor=0.1, "
        "total_iters=max(1, {count} // 10))"
    ),
}
"""What each schedule is made with; `count` is how often it steps."""

_SWAPPED = ("CosineAnnealingLR", "StepLR", "ExponentialLR", "LinearLR", "OneCycleLR", "MultiStepLR")


def insert_schedule(kind: str) -> Callable[[Code], Edits | None]:
    """Return the edit that makes a scheduler before the loop, and steps it at each round's end."""

    def edit(code: Code) -> Edits | None:
        loops = list(_loops(code))
        taken = _SCHEDULED.search(code.text) or bool(code.named("scheduler"))
        if taken or len(loops) != 1 or not code.prefix("torch.optim"):
            return None
        optimizer, loop, count = loops[0]
        if not isinstance(loop.body, cst.IndentedBlock):
            return None
        made = _made(kind, optimizer, count)
        line = new_statement(code, f"scheduler = {made}")
        stepped = loop.with_changes(body=with_lines(code, loop.body, "scheduler.step()"))
        return {loop: cst.FlattenSentinel([line, stepped])}

    return edit


def remove_schedule(code: Code) -> Edits | None:
    """Take out a scheduler that is made once, and only stepped."""
    made = [
        (call, name) for call, name in code.calls if name.startswith("torch.optim.lr_scheduler.")
    ]
    if len(made) != 1:
        return None
    target = _target(code, made[0][0])
    uses = code.named(target)
    steps = [call for call, name in code.calls if name == f"{target}.step"]
    if not target or len(uses) != 1 + len(steps):
        return None
    return _removed(code, [made[0][0], *steps])


def swap_schedule(kind: str) -> Callable[[Code], Edits | None]:
    """Return the edit that makes another scheduler where one is stepped once in each round."""

    def edit(code: Code) -> Edits | None:
        made = [
            (call, name.rpartition(".")[2])
            for call, name in code.calls
            if name.startswith("torch.optim.lr_scheduler.")
        ]
        if len(made) != 1 or made[0][1] not in _SWAPPED:
            return None
        call = made[0][0]
        target, prefix = _target(code, call), code.prefix("torch.optim")
        rounds = [loop for loop in _counted(code) if _steps_once(code, loop[0], target)]
        if not target or not prefix or len(rounds) != 1 or not call.args or starred(call):
            return None
        optimizer = code.text_of(call.args[0].value)
        new = _made(kind, optimizer, rounds[0][1])
        if new.split("(")[0].rpartition(".")[2] == made[0][1]:
            return None
        return {call: cst.parse_expression(new)}

    return edit


def clip_gradients(code: Code) -> Edits | None:
    """Clip the gradients' norm at 1 before each step of an optimizer."""
    if _WARMED.search(code.text) or not code.prefix("torch.optim"):
        return None
    edits: dict[cst.CSTNode, Replacement] = {}
    for call, optimizer in _steps(code):
        text = (
            "torch.nn.utils.clip_grad_norm_("
            f'[p for group in {optimizer}.param_groups for p in group["params"]], 1.0)'
        )
        placed = before(code, call, text)
        if placed is None or placed[0] in edits:
            return None
        edits[placed[0]] = placed[1]
    return edits or None


def remove_clipping(code: Code) -> Edits | None:
    """Take out statements that clip gradients and do nothing else."""
    found = [call for call, name in code.calls if re.search(r"clip_grad_(norm|value)_$", name)]
    bare = all(isinstance(code.parents.get(call), cst.Expr) for call in found)
    return _removed(code, found) if found and bare else None


def stop_early(code: Code) -> Edits | None:
    """Stop once a validation metric has not improved in ten rounds of the loop."""
    loops = [loop for loop, _ in _counted(code) if _trains(code, loop)]
    if re.search(r"patience|early_?stop|EarlyStopping", code.text, re.I) or len(loops) != 1:
        return None
    loop = loops[0]
    metric, lower = _validated(loop)
    body = loop.body
    if not metric or not isinstance(body, cst.IndentedBlock) or loop.orelse:
        return None
    if code.named("best_seen") or code.named("rounds_without") or _continues(loop):
        return None
    better = f"{metric} {'<' if lower else '>'} best_seen"
    first = new_statement(code, "best_seen, rounds_without = None, 0")
    ending = [
        f"if best_seen is None or {better}:\n    best_seen, rounds_without = {metric}, 0\n"
        "else:\n    rounds_without += 1\n",
        "if rounds_without >= 10:\n    break\n",
    ]
    return {
        loop: cst.FlattenSentinel([first, loop.with_changes(body=with_lines(code, body, *ending))])
    }


def smooth_labels(code: Code) -> Edits | None:
    """Smooth the labels of a cross-entropy that is certainly the training loss alone."""
    if "label_smoothing" in code.text:
        return None
    direct = [
        call
        for call, name in code.calls
        if name == "torch.nn.functional.cross_entropy" and _is_training(code, call)
    ]
    made = [call for call, name in code.calls if name == "torch.nn.CrossEntropyLoss"]
    for call in made:
        target = _target(code, call)
        uses = [use for use, name in code.calls if target and name == target]
        if len(uses) == 1 and _is_training(code, uses[0]):
            direct.append(call)
    if not direct or any(starred(call) for call in direct):
        return None
    return {call: with_keyword(call, "label_smoothing", "0.1") for call in direct}


def sharpen_labels(code: Code) -> Edits | None:
    """Take label smoothing out."""
    found = [
        call
        for call, name in code.calls
        if name in ("torch.nn.functional.cross_entropy", "torch.nn.CrossEntropyLoss")
        and keyword(call, "label_smoothing")
    ]
    return {call: without_keyword(call, "label_smoothing") for call in found} or None


def initialise(function: str) -> Callable[[Code], Edits | None]:
    """Return the edit that sets the weights of linear layers anew before the optimizer is made."""

    def edit(code: Code) -> Edits | None:
        if _PREPARED.search(code.text) or not code.prefix("torch.optim"):
            return None
        found = [
            (call, model)
            for call, name in code.calls
            if _OPTIMIZER.fullmatch(name) and (model := _parameters_of(call))
        ]
        line = line_of(code, found[0][0]) if len(found) == 1 else None
        if line is None or code.named("module"):
            return None
        text = (
            f"for module in {found[0][1]}.modules():\n"
            "    if isinstance(module, torch.nn.Linear):\n"
            f"        torch.nn.init.{function}\n"
        )
        return {line: cst.FlattenSentinel([new_statement(code, text), line])}

    return edit


def _made(kind: str, optimizer: str, count: str) -> str:
    """The call that makes a schedule; the number of rounds in brackets where it is computed."""
    node = cst.parse_expression(count)
    plain = isinstance(node, cst.Name | cst.Attribute | cst.Call | cst.Integer | cst.Subscript)
    text = count if plain or kind in ("cosine", "one-cycle") else f"({count})"
    return SCHEDULES[kind].format(optimizer=optimizer, count=text)


def _loops(code: Code) -> Iterator[tuple[str, cst.For, str]]:
    """Yield (optimizer, outermost counted loop that it is used in, number of rounds)."""
    for call, name in code.calls:
        optimizer = _target(code, call) if _OPTIMIZER.fullmatch(name) else ""
        if not optimizer:
            continue
        scope = code.scope(call)
        for loop, count in _counted(code):
            inside = any(isinstance(one, cst.For | cst.While) for one in code.ancestors(loop))
            if code.scope(loop) is not scope or inside or _continues(loop):
                continue
            if _advances(code, loop, optimizer):
                yield optimizer, loop, count


def _advances(code: Code, loop: cst.For, optimizer: str) -> bool:
    """Whether the optimizer steps in each round: here, or in a function that it is given to."""
    for call, name in code.calls:
        if loop not in code.ancestors(call):
            continue
        if name == f"{optimizer}.step" and not call.args:
            return not _conditional(code, call, loop)
        given = [arg for arg in call.args if code.text_of(arg.value) == optimizer]
        if given and name and not name.startswith("torch.") and f"{name}(" in code.text:
            return not _conditional(code, call, loop)
    return False


def _conditional(code: Code, node: cst.CSTNode, loop: cst.For) -> bool:
    for outer in code.ancestors(node):
        if outer is loop:
            return False
        if isinstance(outer, cst.If | cst.Try | cst.While | cst.FunctionDef):
            return True
    return True


def _counted(code: Code) -> Iterator[tuple[cst.For, str]]:
    """Yield loops over a range, with how many rounds they have."""
    for node in code.nodes:
        if not isinstance(node, cst.For):
            continue
        over = node.iter
        if isinstance(over, cst.Call) and code.text_of(over.func) in ("tqdm", "tqdm.tqdm"):
            over = over.args[0].value if over.args else over
        if isinstance(over, cst.Call) and code.text_of(over.func) in ("range", "trange"):
            values = [arg.value for arg in over.args if not arg.keyword and not arg.star]
            if len(values) == 1:
                yield node, code.text_of(values[0])
            elif values:
                inner = ", ".join(code.text_of(value) for value in values)
                yield node, f"len(range({inner}))"


def _continues(loop: cst.For) -> bool:
    """Whether a round may end before its last statement: `continue`, in no inner loop."""
    return any(_has_continue(child) for child in loop.body.children)


def _has_continue(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Continue):
        return True
    if isinstance(node, cst.For | cst.While | cst.FunctionDef | cst.ClassDef):
        return False
    return any(_has_continue(child) for child in node.children)


def _steps_once(code: Code, loop: cst.For, scheduler: str) -> bool:
    """Whether a round steps the scheduler, without arguments, among its own statements."""
    steps = [call for call, name in code.calls if scheduler and name == f"{scheduler}.step"]
    if len(steps) != 1 or steps[0].args:
        return False
    line = line_of(code, steps[0])
    return line is not None and code.parents.get(line) is loop.body


def _steps(code: Code) -> list[tuple[cst.Call, str]]:
    """Statements `optimizer.step()` of optimizers that are known by what made them, or by name."""
    made = {_target(code, call) for call, name in code.calls if _OPTIMIZER.fullmatch(name)}
    found = []
    for call, name in code.calls:
        owner, _, verb = name.rpartition(".")
        plain = not call.args and isinstance(code.parents.get(call), cst.Expr)
        if verb == "step" and plain and owner in (made | _USUAL) - {""}:
            found.append((call, owner))
    return found


def _target(code: Code, call: cst.Call) -> str:
    """The name that a call's value is assigned to; '' if it is not."""
    outer = code.parents.get(call)
    if isinstance(outer, cst.Assign) and len(outer.targets) == 1:
        target = outer.targets[0].target
        return target.value if isinstance(target, cst.Name) else ""
    return ""


def _parameters_of(call: cst.Call) -> str:
    """The model in `Adam(model.parameters(), ...)`."""
    first = call.args[0].value if call.args else None
    if isinstance(first, cst.Call) and isinstance(first.func, cst.Attribute):
        owner = first.func.value
        if first.func.attr.value == "parameters" and isinstance(owner, cst.Name):
            return owner.value
    return ""


def _is_training(code: Code, call: cst.Call) -> bool:
    """Whether `loss = f(...)` is followed by `loss.backward()` among the same statements."""
    line = line_of(code, call)
    loss = _target(code, call)
    if line is None or not loss:
        return False
    lines = [one for one in block_of(code, line) if isinstance(one, cst.SimpleStatementLine)]
    texts = [
        code.text_of(small.with_changes(semicolon=cst.MaybeSentinel.DEFAULT))
        for one in lines
        for small in one.body
    ]
    return f"{loss}.backward()" in texts


def _removed(code: Code, calls: Sequence[cst.Call]) -> Edits | None:
    """Remove the statements of calls, one on a line at most; never the last one of a block."""
    edits: dict[cst.CSTNode, Replacement] = {}
    for call in calls:
        line, small = line_of(code, call), statement_of(code, call)
        if line is None or line in edits:
            return None
        kept = [one for one in line.body if one is not small]
        edits[line] = line.with_changes(body=kept) if kept else cst.RemoveFromParent()
    gone = {line for line, new in edits.items() if isinstance(new, cst.RemovalSentinel)}
    blocks = [block_of(code, line) for line in gone]
    return edits if all(set(block) - gone for block in blocks) else None


def _trains(code: Code, loop: cst.For) -> bool:
    outer = any(isinstance(one, cst.For | cst.While) for one in code.ancestors(loop))
    text = code.text_of(loop)
    return not outer and bool(
        re.search(r"\.step\(|backward\(|optimizer|partial_fit\(|train\w*\(", text)
    )


def _validated(loop: cst.For) -> tuple[str, bool]:
    """The validation metric that a round computes by itself, and whether lower is better."""
    found = ("", True)
    for line in loop.body.body:
        if not isinstance(line, cst.SimpleStatementLine | cst.With):
            continue
        inner = line.body.body if isinstance(line, cst.With) else [line]
        for name in (n for one in inner for n in _assigned(one)):
            words = set(name.lower().split("_"))
            if words & {"val", "valid", "validation", "test", "dev"}:
                if words & {"loss", "error", "err", "mse", "rmse", "mae", "nll", "bpb", "ppl"}:
                    found = (name, True)
                elif words & {"acc", "accuracy", "f1", "auc", "score", "r2"}:
                    found = (name, False)
    return found


def _assigned(line: cst.CSTNode) -> Iterator[str]:
    for small in getattr(line, "body", ()) if isinstance(line, cst.SimpleStatementLine) else ():
        if isinstance(small, cst.Assign):
            for target in small.targets:
                nodes = walk(target.target)
                yield from (node.value for node in nodes if isinstance(node, cst.Name))

"""The script that is edited: its answer is right where its four numbers are."""

import evaluator

RATE = 0.02
WIDTH = 48
DECAY = 0.3
SCALE = 5.0


def answer() -> tuple[float, ...]:
    """What the evaluator judges."""
    return RATE, WIDTH, DECAY, SCALE


if __name__ == "__main__":
    evaluator.judge(answer())

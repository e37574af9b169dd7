# SPDX-License-Identifier: Apache-2.0
"""What the person sees while the demo runs."""

from __future__ import annotations

import os
import sys
import time


class Screen:
    """Lines with the time that passed, and a few lines that change in place on a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        colour = self.is_terminal and "NO_COLOR" not in os.environ
        self.bold, self.dim, self.red, self.green, self.plain = (
            ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m") if colour else ("",) * 5
        )
        self.began = time.monotonic()
        self.shown = 0
        self.last_plain = 0.0

    def heading(self, text: str) -> None:
        self.clear()
        print(f"\n{self.bold}{text}{self.plain}", flush=True)

    def say(self, text: str) -> None:
        self.clear()
        print(f"  {time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def live(self, lines: list[str], every: float = 10.0) -> None:
        """Replaces the lines shown last; where there is no terminal, prints them now and then."""
        if not self.is_terminal:
            if time.monotonic() - self.last_plain >= every:
                self.last_plain = time.monotonic()
                print("\n".join(lines), flush=True)
            return
        self.clear()
        print("\n".join(lines), flush=True)
        self.shown = len(lines)

    def clear(self) -> None:
        if self.shown:
            print(f"\033[{self.shown}A\033[J", end="", flush=True)
        self.shown = 0


def seconds(value: float | None) -> str:
    """A short time for people."""
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"

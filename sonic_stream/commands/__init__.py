"""The commands of `sonic-stream`, a module each.

A module has `add(commands)`, which adds its parser and sets its `run(options, parts) -> exit code`. Heavy
parts are imported inside `run`, so that `--help` stays quick.
"""

from __future__ import annotations

from sonic_stream.commands import batch, calibrate, doctor, inspect, motion, render, serve, smooth

ALL = {
    "render": render,
    "motion": motion,
    "batch": batch,
    "calibrate": calibrate,
    "smooth": smooth,
    "inspect": inspect,
    "serve": serve,
    "doctor": doctor,
}
"""Every command by its name, in the order that the help shows."""

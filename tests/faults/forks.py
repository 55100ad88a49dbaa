"""Processes that are forked from one which has imported what they need and has opened nothing."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.faults.killing", "tests.faults.processes"])

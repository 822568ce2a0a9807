"""Fuzzing of every decoder: `python -m tests.fuzz TARGET --seconds N --seed S`.

An input gives a value within bounds or the one named failure, in bounded time and memory. Inputs
are seeds and kept corpus (`tests/data/corpus/TARGET/`), mutated. What breaks the law is written to
the corpus, where the tests try it ever after.
"""

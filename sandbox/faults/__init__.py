"""Faults on demand: `POST /sandbox/faults` with {"fault": name, ...}.

Every fault is a Struct whose fields are its parameters, so a wrong name, field or type is
refused by one line of text. Its `apply` acts on one of the FaultTargets, mostly by setting what
the layer below then does wrong; that stands in the layer's own module `*_faults`, which knows
nothing of this package. A storm injects faults drawn by a seed. A new fault is a class in one of
the modules here, a line in `registry` and a line in docs/sandbox-faults.md.
"""

"""Numbers of a file that look like parameters of the physics, told from counters and settings of a program."""

from __future__ import annotations

import re

# Named as what a paper would state: taken whatever their type.
_PHYSICS = re.compile(
    r"re|ra|pr|ma|pe|sc|fr|ro|ek|we|ca|st|at|gamma|nu|mu|kappa|eta|alpha|beta|sigma|epsilon|eps|lambda|omega|rho_?0?"
    r"|chi|delta|zeta|theta_?0|g|f_?0|[a-z]*(reynolds|rayleigh|prandtl|mach|peclet|schmidt|froude|rossby|weber|atwood)"
    r"[a-z_]*|[a-z_]*(viscosity|diffusivity|conductivity|density|temperature|gravity|velocity|pressure|resistivity)"
    r"[a-z_]*",
    re.IGNORECASE,
)
# Counters, sizes, switches, versions, times: words anywhere in the name.
_PROGRAM = re.compile(
    r"(?:^|[-_])(?:n|num|nb|no|id|n?step|n?steps|ncycles?|n?iter|iteration|cycle|rank|size|count|index|level|levels|order|seed|version"
    r"|writes?|set|number|handler|mpi|ghost|ng|grid|dim|dims|ndim|date|year|month|day|time|dt|cfl|start|end|stop|max|min"
    r"|file|files|frame|frames|format|type|flag|precision|bits|machine|cpu|gpu|wall|walltime|constant|eqn|aux|halo|offset"
    r"|rank|refine|blocks?|unit|units|unitsi|scale|tile|chunk|proc|procs|periodic|t|i|j|k|position)(?:$|[-_])"
    r"|^n[xyztr]\d?$|^[nh][xyz]$|^num[a-z]|^n[A-Z]|timestep|counter",
    re.IGNORECASE,
)


def looks_like_physics(name: str, value: float) -> bool:
    """Whether a number is likely a parameter of the system rather than of the program.

    >>> [looks_like_physics(name, 8.0) for name in ("Re", "gamma", "writes", "mpi_rank")]
    [True, True, False, False]
    >>> looks_like_physics("hc", 200.5)
    True
    """
    if _PHYSICS.fullmatch(name):
        return True
    if _PROGRAM.search(name):
        return False
    return True if value != int(value) else len(name) <= 4 and abs(value) < 1e6

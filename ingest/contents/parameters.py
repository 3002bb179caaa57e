"""Finds numbers in a file that look like physical parameters, not like counters or settings of a program."""

from __future__ import annotations

import re

from ingest.contents.axis_names import PARAMETER_NAME, RUN_NAME

# Named as a paper would state them: taken whatever their type.
_PHYSICS = (
    "re ra pr ma pe sc fr ro ek we ca gamma nu mu kappa eta alpha beta sigma epsilon eps lambda omega rho "
    "rho0 rho_0 chi delta zeta g f f0 f_0 reynolds rayleigh prandtl mach peclet schmidt froude rossby "
    "weber atwood viscosity diffusivity conductivity density temperature gravity velocity pressure "
    "resistivity"
)
PHYSICS = frozenset(_PHYSICS.split())
# Words for counters, sizes, switches, versions and times of a program.
_PROGRAM = (
    "n num nb no id step steps nsteps cycle cycles ncycles iter iteration rank size count index level "
    "levels order seed version write writes set number handler mpi ghost ng grid dim dims ndim date year "
    "month day time dt cfl start end stop max min file files frame frames format type flag precision bits "
    "machine cpu gpu wall walltime constant eqn aux halo offset refine block blocks unit units scale tile "
    "chunk proc procs periodic t position last first nx ny nz nr nt hx hy hz timestep counter job jobid pid "
    "nproc nprocs ntasks nthreads threads trial experiment replica attempt created started revision hash "
    "idx ids mask split train test valid label labels"
)
PROGRAM = frozenset(_PROGRAM.split())
# Whole numbers count cells; others are a rate or a wavenumber.
INDICES = frozenset("ijk")
# A number with one of these words is a quantity, although it may be whole: vel_top = 10.
_QUANTITIES = (
    "vel velocity speed temp temperature pressure density viscosity diffusivity conductivity gravity angle "
    "amplitude amp strength forcing drag height width length radius diameter mass charge wavelength "
    "frequency wavenumber permeability porosity heat flux inflow inlet concentration thickness slope salinity"
)
QUANTITIES = frozenset(_QUANTITIES.split())

_BEFORE, _BEHIND = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
# 0p05 stands for 0.05.
_VALUE = r"-?(?:\d{1,2}p\d{1,4}|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
# Of re100_nu=0.1 the name is nu.
_NAME = r"[A-Za-z]+(?:_[A-Za-z]+)*(?:_?\d)?"
_STATED = rf"{_BEFORE}(?P<name>{_NAME})=(?P<value>{_VALUE}){_BEHIND}"
# Letters that have no other meaning, so that no sign of equality is needed: Re100.
_PLAIN = (
    "re|ra|pr|ma|pe|nu|mu|kappa|eta|gamma|alpha|beta|epsilon|eps|reynolds|rayleigh|prandtl|mach|viscosity"
)
# Those that count no components: alpha1 may be a field.
_DIMENSIONLESS = "re|ra|pr|pe|reynolds|rayleigh|prandtl|mach|peclet|viscosity"
# A number of several digits that begins with 0 counts: alpha0010.
_NO_COUNTER = r"(?!0\d)"
# A parameter in the name of a folder, or of a file, which may also be a field and its number: eta_0010.
IN_FOLDERS = re.compile(
    rf"{_STATED}|{_BEFORE}(?P<plain>{_PLAIN})[-_]?(?P<number>{_VALUE}){_BEHIND}", re.IGNORECASE
)
IN_FILES = re.compile(
    rf"{_STATED}|{_BEFORE}(?P<plain>(?:{_DIMENSIONLESS})(?=[-_]?\d)|(?:{_PLAIN})(?=-?\d))[-_]?{_NO_COUNTER}"
    rf"(?P<number>{_VALUE}){_BEHIND}",
    re.IGNORECASE,
)


def states_parameter(group: str) -> bool:
    """Whether the name of a group states a parameter that counts no components: Re100, nu=0.01.

    >>> states_parameter("Re100"), states_parameter("nu=0.01"), states_parameter("alpha1")
    (True, True, False)
    """
    found = IN_FOLDERS.finditer(group)
    return any(each["name"] or each["plain"].lower() in _DIMENSIONLESS.split("|") for each in found)


def is_parameter_list(name: str) -> bool:
    """Whether a list of numbers is called by a parameter: nus, viscosities.

    >>> is_parameter_list("viscosities"), is_parameter_list("seeds"), is_parameter_list("loss")
    (True, False, False)
    """
    return bool(PARAMETER_NAME.fullmatch(name)) and name.lower().removesuffix("s") not in PROGRAM


def looks_like_physics(name: str, value: float) -> bool:
    """Whether a number is likely a parameter of the system and not of the program.

    >>> [looks_like_physics(name, 8.0) for name in ("Re", "kinematic_viscosity", "mpi_rank", "NumCycles")]
    [True, True, False, False]
    >>> looks_like_physics("hc", 200.5), looks_like_physics("vel_top", 10.0)
    (True, True)
    >>> looks_like_physics("k", 0.06), looks_like_physics("k", 6.0)
    (True, False)
    """
    words = _words(name)
    if name.lower() in PHYSICS or (len(words) > 1 and words[-1] in PHYSICS and len(words[-1]) > 3):
        return True
    if is_of_program(name):
        return False
    if not value.is_integer() or not QUANTITIES.isdisjoint(words):
        return True
    return name.lower() not in INDICES and len(name) <= 4 and abs(value) < 1e6


def is_of_program(name: str) -> bool:
    """Whether a name has a word for counters and settings of a program.

    >>> is_of_program("run_id"), is_of_program("nx"), is_of_program("forcing")
    (True, True, False)
    """
    return name.lower() in PROGRAM or not PROGRAM.isdisjoint(_words(name))


def may_be_parameter(name: str) -> bool:
    """Whether a number of this name that differs between runs is a parameter: no counter, no number of a run.

    >>> [may_be_parameter(name) for name in ("inclination_deg", "U_inf", "job_id", "sample", "nproc")]
    [True, True, False, False, False]
    """
    return not is_of_program(name) and not any(map(RUN_NAME.fullmatch, (name, *_words(name))))


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+", name)]

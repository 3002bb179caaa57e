"""Recognises files of known programs by their arrays and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Literal

Holds = Literal[
    "series", "state", "blocks", "tiles", "particles", "mesh", "levels", "elements", "patches", "zones", "vtk"
]


@dataclass(frozen=True)
class Solver:
    """A program, the arrays and attributes of its files, and what one file holds.

    `template`, but for blocks, is a recipe in `ingest/templates`, and a section of docs/solvers.md is called
    `name`.
    """

    name: str
    template: str
    arrays: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    holds: Holds = "series"

    def wrote(self, names: list[str], attributes: set[str]) -> bool:
        """Whether the file has every array and attribute of the program."""
        if not set(self.attributes) <= attributes:
            return False
        return all(any(fnmatchcase(name, pattern) for name in names) for pattern in self.arrays)


# The first match counts, so programs with more marks come first.
SOLVERS = (
    Solver("Athena++", "athena", ("LogicalLocations", "x1v"), ("NumMeshBlocks",), "blocks"),
    Solver("FLASH", "flash", ("block size", "coordinates", "refine level"), holds="blocks"),
    Solver("Cholla", "", (), ("dims", "dims_local", "offset"), "tiles"),
    Solver("GAMER", "gamer", ("GridData/*", "Tree/Corner"), holds="blocks"),
    Solver("LagrangeBench", "", ("*/position", "*/particle_type"), holds="particles"),
    Solver("Gadget", "", ("PartType[0-9]/Coordinates",), holds="particles"),
    # A file may hold meshes and particles; only the meshes are read.
    Solver("openPMD", "openpmd", ("data/*/meshes/*",)),
    Solver("openPMD", "openpmd", ("data/*/fields/*",), ("openPMD",)),
    Solver("openPMD particles", "", ("data/*/particles/*/position/*",), ("openPMD",), holds="particles"),
    Solver("MPAS", "", ("latCell", "lonCell"), holds="mesh"),
    Solver("ICON", "", ("clon", "clat"), holds="mesh"),
    Solver("FVCOM", "", ("lonc", "latc", "nv"), holds="mesh"),
    Solver("SCHISM", "", ("SCHISM_hgrid_*",), holds="mesh"),
    Solver("Firedrake", "", ("topologies/*",), holds="mesh"),
    Solver("FEniCS, XDMF", "", ("*topology", "*geometry"), holds="mesh"),
    Solver("FEniCS, PETSc", "", ("*topology/cells",), holds="mesh"),
    Solver("CGNS", "", ("*/ElementConnectivity/ data",), holds="mesh"),
    Solver("Exodus", "", ("connect[0-9]*", "coord*"), holds="mesh"),
    Solver("Ansys Fluent", "", ("meshes/*/faces/*",), holds="mesh"),
    Solver("VTKHDF", "", ("VTKHDF/*Connectivity*",), holds="mesh"),
    Solver("VTKHDF", "", ("VTKHDF/*Data/*",), holds="vtk"),
    Solver("CGNS", "", ("*/GridCoordinates/Coordinate*/ data",), holds="zones"),
    Solver("Parthenon", "", ("LogicalLocations", "Locations/x"), holds="patches"),
    Solver("Trixi.jl", "", ("variables_*",), ("mesh_file", "n_elements"), "elements"),
    Solver("PyFR", "", ("soln*", "mesh*uuid"), holds="elements"),
    Solver("Enzo", "", ("Grid[0-9]*/*ensity",), holds="levels"),
    Solver("Chombo", "", ("level_[0-9]*/boxes",), holds="levels"),
    Solver("Carpet (Einstein Toolkit)", "", ("* it=* rl=[1-9]*",), holds="levels"),
    Solver("Carpet (Einstein Toolkit)", "", ("* it=* c=[1-9]*",), holds="levels"),
    Solver("PyClaw", "pyclaw", ("patch*/q",), holds="state"),
    Solver("Dedalus", "dedalus", ("scales/sim_time", "tasks/*")),
    Solver("pyro", "pyro", ("state/*/data",), holds="state"),
    Solver("PLUTO", "pluto", ("Timestep_*/vars/*",), holds="state"),
    Solver("Oceananigans", "oceananigans", ("timeseries/t/*", "grid/*")),
    Solver("Pencil Code", "pencil", ("*/data", "*/time", "last")),
    Solver("WRF", "wrf", ("XLAT", "U", "V")),
    Solver("ROMS, CROCO", "roms", ("zeta", "mask_rho")),
    Solver("MOM", "mom", ("st_ocean",)),
    Solver("veros", "veros", ("xt", "yt", "temp")),
    Solver("fluidsim", "fluidsim", ("state_phys/*",), holds="state"),
    Solver("py-pde", "py_pde", ("data", "times"), ("field_attributes",)),
    Solver("PhiFlow", "phiflow", ("*data", "*field_type", "*dim_names"), holds="state"),
)

INTERPOLATE = (
    "expected a grid with axes; interpolate to one first (CDO remapbil on the globe, "
    "scipy.interpolate.griddata otherwise)"
)
UNSTRUCTURED = f"cells of an unstructured mesh; {INTERPOLATE}"
_ONE_GRID = "expected one grid; write it on a uniform one first (yt: ds.covering_grid, then numpy.savez)"
LEVELS = f"levels of a refined grid; {_ONE_GRID}"
_REFUSALS: dict[Holds, str] = {
    "particles": (
        "particles, no fields on a grid; expected arrays over time and space; bin them onto a grid first"
    ),
    "mesh": UNSTRUCTURED,
    "elements": (
        "nodes of elements; expected a grid with axes; interpolate to one first (trixi2vtk, pyfr export, "
        "griddata)"
    ),
    "levels": f"patches of a refined grid; {_ONE_GRID}",
    "patches": f"blocks of a grid; {_ONE_GRID}",
    "zones": (
        "zones of a grid, each with the positions of its nodes; expected a grid with axes; bring them to one "
        "with pyvista, and numpy.savez the arrays"
    ),
    "vtk": (
        "arrays whose axes and times VTK states in its own way; expected arrays over time and space; read it "
        "with pyvista, and numpy.savez its arrays"
    ),
}


def solver_of(names: list[str], attributes: set[str]) -> Solver | None:
    """The program that writes such files; None if it is unknown.

    >>> solver_of(["scales/sim_time", "tasks/u"], set()).name
    'Dedalus'
    """
    return next((solver for solver in SOLVERS if solver.wrote(names, attributes)), None)


def refusal(solver: Solver) -> str:
    """Why the files of a program hold no fields on a grid; empty if they may.

    >>> refusal(Solver("Gadget", "", (), holds="particles")).split(",")[0]
    'Gadget: particles'
    """
    words = _REFUSALS.get(solver.holds, "")
    return f"{solver.name}: {words}" if words else ""


def templates() -> dict[str, Path]:
    """Name to recipe file of every template."""
    folder = resources.files("ingest") / "templates"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {name.removesuffix(".toml"): Path(str(folder / name)) for name in names}

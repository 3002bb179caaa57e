"""SECURITY.md, held by the syntax of the four packages: no input file can make the program run code."""

import ast

import pytest

from tests.house import sources_of

FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "builtins.eval",
    "builtins.exec",
}
FORBIDDEN_METHODS = {"extractall", "unpack_archive"}
FORBIDDEN_ARGUMENTS = {"shell": True, "weights_only": False, "allow_pickle": True, "trust_remote_code": True}
# What has to be passed to what.
REQUIRED_ARGUMENTS = {"torch.load": ("weights_only", True)}
# The error that torch raises where a checkpoint asks for anything but tensors is a class of this module.
ALLOWED_IMPORTS = {
    ("walrus/model/published_files.py", "pickle"),
    ("ingest/formats/side_tables.py", "yaml"),
}
# What may be used of these modules: the safe loader of YAML makes plain values alone.
ALLOWED_NAMES = {
    "pickle": {"UnpicklingError"},
    "yaml": {"compose", "safe_load", "SafeLoader", "YAMLError", "MappingNode", "SequenceNode"},
}
# The name of a source, a file of ingest/sources that is listed before it is imported; and modules of
# DeepSpeed, from a table in the code.
COMPUTED_IMPORTS = {"ingest/source.py", "walrus/training/deepspeed_fence.py"}


def faults(path, text):
    """(line, what) of each thing in a module that the rules forbid."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (
                (node.lineno, f"import {each.name}") for each in node.names if _is_bad(path, each.name)
            )
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
                yield node.lineno, f"from {node.module} import"
        elif isinstance(node, ast.Attribute):
            allowed = ALLOWED_NAMES.get(ast.unparse(node.value))
            if allowed is not None and node.attr not in allowed:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, fault) for fault in _faults_of_call(path, node))


def _is_bad(path, module):
    return module.split(".")[0] in FORBIDDEN_MODULES and (path, module) not in ALLOWED_IMPORTS


def _faults_of_call(path, call):
    name = ast.unparse(call.func)
    given = {each.arg: getattr(each.value, "value", None) for each in call.keywords}
    if name in FORBIDDEN_CALLS or name.split(".")[-1] in FORBIDDEN_METHODS:
        yield name
    for argument, value in FORBIDDEN_ARGUMENTS.items():
        if argument in given and given[argument] is not (not value):
            yield f"{name}({argument}=...)"
    argument, value = REQUIRED_ARGUMENTS.get(name, (None, None))
    if argument is not None and given.get(argument) is not value:
        yield f"{name} without {argument}={value}"
    computed = name.endswith("import_module") and not isinstance(call.args[0], ast.Constant)
    if computed and path not in COMPUTED_IMPORTS:
        yield f"{name} of a computed name"


def test_no_module_can_be_made_to_run_code_from_a_file():
    found = [(path, *fault) for path, text in sources_of().items() for fault in faults(path, text)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml",
        "yaml.load(text)",
        "yaml.full_load(text)",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "archive.extractall(folder)",
        "shutil.unpack_archive(path)",
        "os.system(line)",
        "import_module(recipe.source)",
    ],
)
def test_each_of_these_lines_would_be_found(line):
    assert list(faults("shards/a.py", line))


@pytest.mark.parametrize(
    "line", ["network.eval()", "torch.load(path, weights_only=True)", "subprocess.run(words)"]
)
def test_these_lines_are_allowed(line):
    assert list(faults("shards/a.py", line)) == []

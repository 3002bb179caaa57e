"""The modules that a training run loads without a GPU, in one line: modules_run.py"""

import sys

print(*sys.modules)

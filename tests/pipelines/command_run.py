"""A command at the top of the repository: command_run.py pretrain|finetune|... [options]"""

import os
import sys
from importlib import import_module
from pathlib import Path

# Processes that the command starts import this file, too.
if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    import_module(f"pipelines.{sys.argv.pop(1)}").main()

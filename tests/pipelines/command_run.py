"""A command: command_run.py pretrain|finetune|... [options]"""

import sys
from importlib import import_module

# Processes that the command starts import this file, too.
if __name__ == "__main__":
    import_module(f"pipelines.{sys.argv.pop(1)}").main()

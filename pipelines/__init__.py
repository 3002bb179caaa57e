"""The commands walrus-pretrain, -finetune, -evaluate, -forecast, -convert, and their run recipes."""

# By which a command knows that this package is ours (shards.program.own_packages).
DISTRIBUTION = "walrus-pde"
__all__ = [
    "command_output",
    "conversion",
    "convert",
    "dataset_facts",
    "dry_run",
    "evaluate",
    "evaluation",
    "finetune",
    "finetuning",
    "model_card",
    "options",
    "preflight",
    "pretrain",
    "pretraining",
    "progress",
    "recipe",
    "run",
    "simulate",
    "train_and_evaluate",
]

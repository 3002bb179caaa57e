"""The commands walrus-pretrain, walrus-finetune, walrus-evaluate, walrus-convert, and their run recipes."""

__all__ = [
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

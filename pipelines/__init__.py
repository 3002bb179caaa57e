"""Who calls whom, in order: pretrain, finetune, evaluate."""

"""The one loop and its drivers, evaluation, checkpoints, metrics, and where cells run."""

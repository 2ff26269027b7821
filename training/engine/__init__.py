"""One loop for all trainings, and what it needs: checkpoints, schedules, logs, settings."""

"""Scores: which of the possible nodes is best; SCORES in `wherry.scheduler.scores.table` has the weights."""

"""Filters: which nodes a pod may go to, one file each; FILTERS in `wherry.scheduler.filters.table` is their order."""

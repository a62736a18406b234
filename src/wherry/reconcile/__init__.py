"""Runs controllers: a plan is pure, its actions are data, the runner carries them out. Start at controller.py."""

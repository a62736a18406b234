"""`wherry upgrade`: one version of wherry takes another's place, process by process. Open `run.py` first."""

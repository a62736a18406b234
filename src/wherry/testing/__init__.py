"""Public: the cluster fixture that users' own tests import. Open `cluster.py` first.

    with Cluster(folder) as cluster:            # or the pytest fixture: pytest_plugins = ["wherry.testing.fixture"]
        cluster.kubectl("apply", "-f", "app.yaml")

Imports `wherry.app.config` to know where things are, and runs everything else as a user would: by the command line.
"""

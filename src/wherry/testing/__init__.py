"""Public: the cluster fixture that users' own tests import."""

"""PodSecurity: the three Pod Security Standards in all their versions. `evaluate.py` judges a pod, `plugin.py` acts."""

"""API priority and fairness: who waits for whom when there is more to do than can be done.

Start at gate.py (every request passes it); rules.py says which FlowSchema a request belongs to, level.py keeps the
seats and queues of a priority level, keeper.py the objects.
"""

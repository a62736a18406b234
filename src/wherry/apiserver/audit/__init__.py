"""The audit log: who did what, when, and what came of it.

Start at auditor.py (every request passes it); policy.py decides what is told, event.py makes the record, chain.py
links the lines so that tampering shows, file.py and webhook.py are where records go.
"""

"""Entry into the cluster over HTTP and TLS: Ingress objects onto HAProxy, which runs beside the agent on every node.

`routes.py` decides who answers what (pure), `maps.py` and `config.py` put that into HAProxy's words (pure), `entry.py`
keeps the running one so, and `hold.py` lets requests wait for an application that is waking up. Open `routes.py` first.
"""

"""gateway.networking.k8s.io: the Gateway API, whose kinds are defined by definitions that come with wherry.

`bundle.py` holds the definitions, `kinds.py` their types as wherry reads them, and the other files what follows from
Gateways and routes (pure): what controllers say in status and what each node's entry does comes from the same place.
"""

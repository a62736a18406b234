"""Admission policies: expressions that refuse requests or change them. Open validating.py and mutating.py first."""

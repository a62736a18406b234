"""How components reach the API: interface.py, with http.py and inprocess.py behind it."""

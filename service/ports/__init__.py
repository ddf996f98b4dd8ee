"""What the use cases need of the outside world, as Protocols whose docstrings are the contract.

One adapter a port and engine lives in ``service.adapters``; one contract suite a port in ``tests/contracts`` runs on
every adapter. A promise that is not in a docstring here is not a promise.
"""

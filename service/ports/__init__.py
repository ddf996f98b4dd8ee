"""What the use cases need from the outside world, as Protocols whose docstrings are the contract.

Each port has one adapter per engine in ``service.adapters`` and one contract suite in ``tests/contracts``, which runs
against every adapter. Anything that a docstring here does not promise is not guaranteed.
"""

"""The parameters of the flows: name, type, bounds, default and description, each stated once.

Made from them are a flow's signature, with Prefect's form and checks, and its command line.
Invariant: nothing here imports Prefect, SQLAlchemy, pandas or stellar_sdk, so that help and
refused values take no time.
"""

"""The store port on a MongoDB replica set, using Motor."""

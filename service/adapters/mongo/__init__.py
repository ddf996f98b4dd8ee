"""The store port on a MongoDB replica set, by Motor."""

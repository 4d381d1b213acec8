"""The formats of topics and files: schemas, codec, frames, recorded logs, decision logs, routing files, limits."""

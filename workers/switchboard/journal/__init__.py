"""What crosses a topic or a file: schemas, codec, CloudEvents, the recorded-log format."""

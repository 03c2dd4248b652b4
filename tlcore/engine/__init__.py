"""All and only the code that needs Keras. It runs as ``python -m tlcore.engine``; nobody imports it."""

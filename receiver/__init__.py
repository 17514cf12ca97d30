"""The receiver service: decodes what was received and runs the task on it."""

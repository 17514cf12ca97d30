"""What the services share: settings, logs, request ids, errors to statuses, workers, and the server's life cycle.

Nothing here needs torch. Services import this package; it imports no service.
"""

"""Seen from outside: Prometheus metrics and OpenTelemetry traces, both off unless asked for.

Services and clients report to a `Meter` and a `Tracer`, which keep nothing. Those that do, and the packages they need
(the extra ``observability``), are imported by `start_observing` and nowhere else.
"""

"""Throughput and latency through the three services, beside the same networks called in one process."""

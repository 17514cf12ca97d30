"""Generated from proto/sdjscc/v1 by `make proto`. Do not edit."""

"""The demo: photographs cross the link at several SNRs, and a contact sheet shows what arrived."""

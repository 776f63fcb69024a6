"""Prescription: activity, vial and time windows."""

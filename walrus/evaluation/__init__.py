"""Forecasts beside the truth: measures, scores and pictures."""

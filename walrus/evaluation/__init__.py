"""Compares forecasts with the truth: measures, scores, pictures and the report."""

from walrus.evaluation.forecasts import EvaluationSettings, ForecastProtocol, Forecasts
from walrus.evaluation.metrics import MEASURES, all_measures

__all__ = ["MEASURES", "EvaluationSettings", "ForecastProtocol", "Forecasts", "all_measures"]

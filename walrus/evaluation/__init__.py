"""Compares forecasts with the truth: measures, scores, pictures and the report."""

from walrus.evaluation.forecast_protocol import EvaluationSettings, ForecastProtocol
from walrus.evaluation.forecasts import Forecasts
from walrus.evaluation.metrics import MEASURES, all_measures

__all__ = ["MEASURES", "EvaluationSettings", "ForecastProtocol", "Forecasts", "all_measures"]

"""The metrics of the company: one YAML, read as views and as queries of the copy."""

from strata.semantic.groups import Group, SemanticError
from strata.semantic.layer import Metric, SemanticLayer, read_layer
from strata.semantic.query import Filter, MetricQuery, Statement, render
from strata.semantic.views import View, views

__all__ = [
    "Filter",
    "Group",
    "Metric",
    "MetricQuery",
    "SemanticError",
    "SemanticLayer",
    "Statement",
    "View",
    "read_layer",
    "render",
    "views",
]

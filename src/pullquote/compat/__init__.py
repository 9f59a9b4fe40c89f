"""Compatibility with the question-answering pipeline of transformers 4 and with run_squad.py.

from pullquote import pipeline                                    # pipeline
from pullquote.compat.squad_metrics import squad_evaluate         # its metrics
from pullquote.compat.squad import SquadExample                   # its data
import pullquote.compat.transformers                              # the task, in transformers 5
"""

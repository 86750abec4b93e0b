"""Steps of the command line, in the order of their use."""

from ._options import parser
from ._outputs import check_libraries, output_names, written_together
from ._pattern import read_pattern
from ._reconstruction import reconstruct
from ._results import in_a_verdict, in_sentences, write_results
from ._trouble import ERRORS, TroubleError, prepare_streams, say, sentences, spoken, tell

__all__ = [
    "ERRORS",
    "TroubleError",
    "check_libraries",
    "in_a_verdict",
    "in_sentences",
    "output_names",
    "parser",
    "prepare_streams",
    "read_pattern",
    "reconstruct",
    "say",
    "sentences",
    "spoken",
    "tell",
    "write_results",
    "written_together",
]

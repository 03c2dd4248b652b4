"""The intake of a person's own data: pictures, tables and arrays from files that strangers made."""

from .door import take_in
from .intake import Intake
from .limits import Rejected
from .pictures import resize

__all__ = ["Intake", "Rejected", "resize", "take_in"]

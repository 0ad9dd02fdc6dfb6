"""Stands before scikit-learn on the path of jobs that tests start.

It is there for training and its tests only. LightGBM imports it where it finds it, and every Python
of every job would spend more than a second on what it lacks, and does not miss, in operation.
"""

raise ImportError("scikit-learn is not there at run time")

"""`limosa boot`: one machine in the foreground, without a cluster. `python -m node.foreground --help` explains it.

This package is the rim: it reads options, files and the environment, and turns every mistake into one sentence and an
exit status.
"""

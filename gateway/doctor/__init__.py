"""`qhatu doctor`: what is wrong with a data directory, in words, and what can be done about it. Nothing is changed.

`scene` looks at everything once; each check in `examine.CHECKS` is a small function from it to findings.
"""

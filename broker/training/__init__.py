"""Training of the committed classifiers; not imported where they are used.

``curves`` (labelled light curves and their cuts), ``packets`` (light curves of packets),
``ztf`` and ``elasticc`` (the training sets), ``template_fit`` (templates by expectation
maximisation), ``fit`` (one model: templates, trees), ``calibration``, ``measures`` (metrics),
``cross_validate`` (folds by object), ``card`` and ``plots`` (the model card), ``evaluate`` (the
table of results on the command line).
"""

"""Light-curve features for the classifier, all objects of a batch at once.

``detections`` (the input), ``segments`` (sums per object), ``declaration`` (what a feature is),
``brightness``, ``trends``, ``colours``, ``grid`` (light-curve shapes on a grid of times of
maximum), ``shapes`` (parametric), ``templates`` (learnt), ``extract`` (the whole matrix).
"""

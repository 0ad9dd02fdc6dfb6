"""The feeder: plays recorded, stored or synthetic nights into Kafka.

``sources`` finds packets, ``order`` puts them in time order, ``fresh`` makes a night a new one,
``messages`` frames them, ``faults`` spoils some of them, ``cadence`` says when each is due,
``send`` hands them to Kafka and ``play`` puts it all together.
"""

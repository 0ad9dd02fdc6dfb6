"""ELAsTiCC's answer: the ``brokerClassification`` 0.9.1 message, one per alert and classifier.

Classes are the challenge's taxonomy (LSSTDESC/elasticc): 2222 SN Ia, 2224 SN II, 200 other, 300
the classifier abstained.
"""

from __future__ import annotations

from broker.settings import PROJECT_ROOT
from broker.surveys.base import Answer

_SN_IA, _SN_II, _OTHER, _ABSTAINED = 2222, 2224, 200, 300


# No field of the message may be null, or the stream would stop at that alert for good.
_NEVER = "timestamp_micros(0)"


def _probability(name: str) -> str:
    return f"coalesce(cast(classifier.probabilities.{name} as float), 0F)"


def _class(class_id: int, probability: str) -> str:
    return f"named_struct('classId', {class_id}, 'probability', {probability})"


_IA, _II = _probability("sn_ia"), _probability("sn_ii")
# What single precision leaves over is the remainder's, so that the message's own numbers sum to 1.
_REMAINDER = f"greatest(0F, 1F - {_IA} - {_II})"
_SCORED = ", ".join((_class(_SN_IA, _IA), _class(_SN_II, _II), _class(_OTHER, _REMAINDER)))

BROKER_CLASSIFICATION = Answer(
    schema_file=PROJECT_ROOT / "schemas/elasticc/0.9.1/elasticc.v0_9_1.brokerClassification.avsc",
    fields={
        "alertId": "coalesce(alertId, 0L)",
        "diaSourceId": "coalesce(alert_id, 0L)",
        # The challenge measures latency from when it put the alert into Kafka.
        "elasticcPublishTimestamp": f"coalesce(ingest.kafka_timestamp, {_NEVER})",
        "brokerIngestTimestamp": "raw_at",
        "brokerName": "'Nightjar'",
        "brokerVersion": "coalesce(provenance.broker_version, '')",
        "classifierName": "'nightjar_light_curve'",
        "classifierParams": "coalesce(classifier.model, '')",
        "classifications": (
            f"CASE WHEN classifier.score IS NULL THEN array({_class(_ABSTAINED, '1F')}) "
            f"ELSE array({_SCORED}) END"
        ),
    },
    raw_fields=("alertId",),
)

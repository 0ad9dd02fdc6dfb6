"""A synthetic night: valid packets, one story per object, the same bytes again."""

from __future__ import annotations

import collections
import gzip
import io
import itertools
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from broker.errors import UsageError
from broker.nights import night_of_mjd
from broker.packets.container import ContainerWriter
from broker.packets.schemas import fingerprint, load_schema
from broker.settings import PROJECT_ROOT
from broker.simulator.synthetic import DEFAULT_NIGHT, SyntheticPacket, generate, write_night
from broker.simulator.synthetic.populations import POPULATIONS

SIZE = 1200
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
Record = dict[str, Any]


@pytest.fixture(scope="module")
def packets() -> list[SyntheticPacket]:
    return list(generate(SIZE, seed=1))


@pytest.fixture(scope="module")
def records(packets: list[SyntheticPacket]) -> list[Record]:
    return [next(iter(fastavro.reader(io.BytesIO(packet.value)))) for packet in packets]


def detections(record: Record) -> list[Record]:
    return [entry for entry in record["prv_candidates"] or [] if entry["magpsf"] is not None]


def by_object(records: list[Record]) -> dict[str, list[Record]]:
    groups = collections.defaultdict(list)
    for record in records:
        groups[record["objectId"]].append(record)
    return groups


def test_fastavro_writes_the_same_bytes_from_the_records_it_reads(
    packets: list[SyntheticPacket], records: list[Record]
) -> None:
    schema = load_schema(PROJECT_ROOT / "schemas" / "ztf" / "4.02")
    writer = ContainerWriter(schema)
    for packet, record in itertools.islice(zip(packets, records, strict=True), 0, SIZE, 12):
        assert writer.encode(record) == packet.value


def test_the_writer_schema_is_the_repositorys(packets: list[SyntheticPacket]) -> None:
    written = fastavro.reader(io.BytesIO(packets[0].value)).writer_schema
    schema = load_schema(PROJECT_ROOT / "schemas" / "ztf" / "4.02")
    assert fingerprint(fastavro.parse_schema(written)) == fingerprint(schema)


def test_the_size_of_the_chunks_does_not_change_a_byte(packets: list[SyntheticPacket]) -> None:
    # One by one there are chunks without any history.
    for chunk, count in ((1, 10), (7, 150), (64, 150)):
        again = itertools.islice(generate(SIZE, seed=1, chunk=chunk), count)
        assert [one.value for one in again] == [one.value for one in packets[:count]]


def test_another_seed_makes_other_alerts_and_objects(packets: list[SyntheticPacket]) -> None:
    others = list(generate(300, seed=2))
    assert not {one.candid for one in others} & {one.candid for one in packets}
    assert not {one.object_id for one in others} & {one.object_id for one in packets}


def test_another_night_makes_other_alerts_and_objects(packets: list[SyntheticPacket]) -> None:
    others = list(generate(300, seed=1, night=20231012))
    assert not {one.candid for one in others} & {one.candid for one in packets}
    assert not {one.object_id for one in others} & {one.object_id for one in packets}


def test_packets_are_as_large_as_real_ones(packets: list[SyntheticPacket]) -> None:
    sizes = [len(packet.value) for packet in packets]
    assert min(sizes) > 58_000
    assert max(sizes) < 86_000
    assert 64_000 < np.median(sizes) < 76_000


def test_cutouts_are_gzipped_fits_images_without_a_date(records: list[Record]) -> None:
    for record in records[::40]:
        for name in CUTOUTS:
            stamp = record[name]["stampData"]
            assert stamp[4:8] == bytes(4)
            with fits.open(io.BytesIO(gzip.decompress(stamp))) as hdus:
                hdus.verify("exception")
                assert hdus[0].data.shape == (63, 63)
                assert hdus[0].data.dtype == np.dtype(">f4")
                assert np.isfinite(hdus[0].data).all()
            assert record[name]["fileName"].startswith(f"candid{record['candid']}_")


def test_the_difference_image_shows_a_source_in_the_middle(records: list[Record]) -> None:
    bright = [r for r in records if r["candidate"]["scorr"] > 25 and r["candidate"]["drb"] > 0.9]
    assert len(bright) > 20
    for record in bright[:20]:
        stamp = gzip.decompress(record["cutoutDifference"]["stampData"])
        image = fits.open(io.BytesIO(stamp))[0].data
        noise = 1.48 * np.median(np.abs(image - np.median(image)))
        assert image[29:34, 29:34].max() > 5 * noise


def test_alert_ids_are_unique_and_made_of_night_time_channel_and_row(
    records: list[Record],
) -> None:
    assert len({record["candid"] for record in records}) == SIZE
    for record in records:
        candidate = record["candidate"]
        assert record["candid"] == candidate["candid"]
        assert candidate["candid"] == candidate["pid"] * 10**6 + 10**4 + candidate["tblid"]
        assert candidate["pid"] // 10**9 == candidate["nid"]
        assert candidate["pid"] // 100 % 100 == candidate["rcid"]
        fraction = candidate["pid"] // 10**4 % 10**5
        assert fraction == int((candidate["jd"] - 0.5) % 1 * 1e5)


def test_alerts_come_by_time_within_the_night(packets: list[SyntheticPacket]) -> None:
    times = [packet.jd for packet in packets]
    assert times == sorted(times)
    assert {night_of_mjd(jd - 2400000.5, 0) for jd in times} == {DEFAULT_NIGHT}


def test_sentinels_are_those_of_the_survey(records: list[Record]) -> None:
    candidates = [record["candidate"] for record in records]
    unmatched = [c for c in candidates if c["ssdistnr"] == -999.0]
    matched = [c for c in candidates if c["ssdistnr"] != -999.0]
    assert all(c["ssnamenr"] == "null" and c["ssmagnr"] == -999.0 for c in unmatched)
    assert all(c["ssnamenr"] != "null" and c["ssdistnr"] >= 0.0 for c in matched)
    assert sum(c["ssdistnr"] == 0.0 for c in matched) > len(matched) / 2
    for name in ("sgmag1", "srmag2", "distpsnr3", "neargaiabright", "maggaiabright"):
        assert 0 < sum(c[name] == -999.0 for c in candidates) < SIZE
    assert {c["isdiffpos"] for c in candidates} == {"t", "f"}
    assert {c["fid"] for c in candidates} == {1, 2}
    assert {c["programid"] for c in candidates} == {1}
    statuses = {f["procstatus"] for r in records for f in r["fp_hists"] or []}
    assert "0" in statuses
    assert len(statuses) > 1


def test_limits_have_no_candidate_and_detections_no_solar_system_match(
    records: list[Record],
) -> None:
    entries = [entry for record in records for entry in record["prv_candidates"] or []]
    assert len(entries) > 10 * SIZE
    for entry in entries:
        is_limit = entry["magpsf"] is None
        for name in ("candid", "isdiffpos", "ra", "dec", "sigmapsf", "rb", "distnr"):
            assert (entry[name] is None) == is_limit
        assert entry["ssnamenr"] is None
        assert entry["diffmaglim"] is not None


def test_detections_are_five_sigma_and_real_ones_obey_the_limit(records: list[Record]) -> None:
    for record in records:
        for entry in [record["candidate"], *detections(record)]:
            assert 0.0 < entry["sigmapsf"] <= 2.5 / np.log(10) / 5 + 1e-6
    depth = [r["candidate"]["diffmaglim"] - r["candidate"]["magpsf"] for r in records]
    assert np.percentile(depth, 1) > -0.3


def test_history_is_the_thirty_days_before_by_time(records: list[Record]) -> None:
    for record in records:
        jd = record["candidate"]["jd"]
        times = [entry["jd"] for entry in record["prv_candidates"] or []]
        assert times == sorted(times)
        assert all(jd - 30.0 <= time < jd for time in times)
        forced = [entry["jd"] for entry in record["fp_hists"] or []]
        assert sorted(forced) == times


def test_counts_and_first_dates_agree_with_the_history(records: list[Record]) -> None:
    for record in records:
        candidate, seen = record["candidate"], detections(record)
        assert candidate["ndethist"] >= len(seen) + 1
        assert candidate["ncovhist"] >= candidate["ndethist"]
        earliest = min([candidate["jd"], *(entry["jd"] for entry in seen)])
        assert candidate["jdstarthist"] <= earliest
        assert (candidate["ndethist"] == 1) == (candidate["jdstarthist"] == candidate["jd"])
        assert candidate["jdendhist"] == candidate["jd"]


def test_the_second_alert_of_a_night_has_the_first_in_its_history(records: list[Record]) -> None:
    pairs = [group for group in by_object(records).values() if len(group) > 1]
    assert len(pairs) > SIZE / 20
    for first, second in pairs:
        entry = detections(second)[-1]
        common = set(entry) - {"pdiffimfilename", "ssdistnr", "ssmagnr", "ssnamenr"}
        assert {name: entry[name] for name in common} == {
            name: first["candidate"][name] for name in common
        }
        assert second["candidate"]["ndethist"] == first["candidate"]["ndethist"] + 1
        assert second["candidate"]["jdstarthist"] == first["candidate"]["jdstarthist"]


def test_alerts_of_one_object_lie_together(records: list[Record]) -> None:
    for record in records:
        candidate = record["candidate"]
        for entry in detections(record):
            assert abs(entry["dec"] - candidate["dec"]) * 3600 < 1.5
            east = (entry["ra"] - candidate["ra"]) * np.cos(np.radians(candidate["dec"]))
            assert abs(east) * 3600 < 1.5


def test_asteroids_have_no_past_and_a_new_name_at_each_visit(
    packets: list[SyntheticPacket], records: list[Record]
) -> None:
    asteroids = [
        record
        for packet, record in zip(packets, records, strict=True)
        if packet.truth["class"].startswith("asteroid")
    ]
    assert all(not detections(record) for record in asteroids)
    assert all(record["candidate"]["ndethist"] == 1 for record in asteroids)
    assert len({record["objectId"] for record in asteroids}) == len(asteroids)
    known = collections.Counter(
        record["candidate"]["ssnamenr"]
        for record in asteroids
        if record["candidate"]["ssnamenr"] != "null"
    )
    assert max(known.values()) == 2


def test_populations_have_their_shares(packets: list[SyntheticPacket]) -> None:
    counts = collections.Counter(packet.truth["class"] for packet in packets)
    for population in POPULATIONS:
        assert abs(counts[population.name] - SIZE * population.share) <= 1
    assert sum(population.share for population in POPULATIONS) == pytest.approx(1.0)


def test_measured_magnitudes_scatter_about_the_truth(
    packets: list[SyntheticPacket], records: list[Record]
) -> None:
    pulls, signs = [], []
    for packet, record in zip(packets, records, strict=True):
        candidate, truth = record["candidate"], packet.truth
        sign = 1.0 if candidate["isdiffpos"] == "t" else -1.0
        flux = sign * 10 ** (0.4 * (31.4 - candidate["magpsf"]))
        error = 0.4 * np.log(10) * abs(flux) * candidate["sigmapsf"]
        pulls.append((flux - truth["true_flux_njy"]) / error)
        signs.append((truth["true_flux_njy"] > 0) == (sign > 0))
    assert abs(np.median(pulls)) < 0.25
    assert 0.8 < 1.48 * np.median(np.abs(np.array(pulls) - np.median(pulls))) < 1.2
    assert np.mean(signs) > 0.99


def test_bogus_detections_score_low_and_real_ones_high(
    packets: list[SyntheticPacket], records: list[Record]
) -> None:
    is_bogus = np.array([packet.truth["class"] == "bogus" for packet in packets])
    drb = np.array([record["candidate"]["drb"] for record in records])
    assert np.mean(drb[is_bogus] < 0.5) > 0.75
    assert np.mean(drb[~is_bogus] > 0.5) > 0.93


def test_a_written_night_is_one_file_per_alert_and_the_truth(tmp_path: Path) -> None:
    path = write_night(40, 5, tmp_path / "night")
    truth = pq.read_table(path)
    generated = list(generate(40, 5))
    assert path.name == "truth.parquet"
    assert truth["candid"].to_pylist() == [packet.candid for packet in generated]
    for packet in generated:
        assert (path.parent / f"{packet.candid}.avro").read_bytes() == packet.value
    assert len(list(path.parent.iterdir())) == 41
    extragalactic = [row for row in truth.to_pylist() if row["class"] in ("agn", "sn_ia")]
    assert all(row["redshift"] is not None for row in extragalactic)
    assert any(row["period_days"] is None for row in truth.to_pylist())


def test_a_folder_with_packets_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "1.avro").write_bytes(b"")
    with pytest.raises(UsageError, match="already holds packets"):
        write_night(1, 1, tmp_path)


def test_shares_can_be_chosen_and_wrong_ones_are_named() -> None:
    chosen = list(generate(30, 1, shares={"sn_ia": 2.0, "rr_lyrae": 1.0}))
    counts = collections.Counter(packet.truth["class"] for packet in chosen)
    assert counts == {"sn_ia": 20, "rr_lyrae": 10}
    with pytest.raises(UsageError, match="no population is called 'quark_star'"):
        next(generate(1, 1, shares={"quark_star": 1.0}))
    with pytest.raises(UsageError, match="leave no alerts"):
        next(generate(1, 1, shares={"sn_ia": 0.0}))


def test_impossible_nights_are_refused() -> None:
    with pytest.raises(UsageError, match="ask for at least one"):
        next(generate(0, 1))
    with pytest.raises(UsageError, match="too early"):
        next(generate(1, 1, night=20180501))

"""What is wrong with a cohort as a whole: recordings given twice, copies, and amplitudes out of range.

Findings name rows of the manifest, never patients: they are shown wherever results are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, groupby, pairwise
from typing import Final

import numpy as np

from crtcore.data.sources import Source, Sources
from crtcore.errors import DataError
from crtcore.signal.alignment import Likeness, likeness, prepared
from crtcore.signal.amplitude import check_amplitude, implausible_leads, peak_to_peak_mv
from crtcore.signal.formats import read_any
from crtcore.signal.leads import INDEPENDENT_LEADS, STANDARD_LEADS, derive_leads
from crtcore.signal.likeness import Candidate, find_candidates, sketch
from crtcore.signal.recording import FloatArray, Recording

CENTRE_COLUMNS: Final = ("centre", "center", "site", "hospital")
CENTRE_FACTOR: Final = 5.0
MAX_NAMED: Final = 10  # of findings of one kind
_KEPT_RECORDINGS: Final = 64

Pair = tuple[int, int]
OnProgress = Callable[[str, int, int], None]  # what, done, total


class CohortReview:
    """Give every recording of the cohort to `add`, in manifest order, then ask for `findings`."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._compared = _compared_rows(sources.cohort_leads)
        self._sketches: list[FloatArray] = []
        self._implausible: list[str] = []
        self._amplitudes: list[float] = []

    def add(self, source: Source, raw: Recording) -> None:
        """Take the next recording, as it was read, with the leads that are used. DataError beyond 100 mV."""
        check_amplitude(f"row {source.row} of the manifest", raw.leads, raw.signal_CS)
        odd = implausible_leads(raw)
        if odd:
            self._implausible.append(f"row {source.row} ({', '.join(odd)})")
        self._amplitudes.append(float(np.median(np.nan_to_num(peak_to_peak_mv(raw.signal_CS)))))
        self._sketches.append(sketch(raw, len(self._sources.cohort))[self._compared])

    def findings(self) -> tuple[str, ...]:
        """One sentence for each kind of finding, none for an ordinary cohort.

        Raises DataError that names both rows if two patients have one recording, in whatever format.
        """
        cohort = self._sources.cohort
        same, alike = self._pairs()
        leaks = [pair for pair in same if cohort[pair[0]].patient_id != cohort[pair[1]].patient_id]
        if leaks:
            raise DataError(self._leak(leaks))
        return tuple(
            sentence
            for sentence in (
                _sentence("The same signal twice under one patient", map(self._rows, same)),
                _sentence(
                    "Alike but for a shift, a cut or the scale (possibly one patient, trained on and scored)",
                    (f"{self._rows(pair)} ({_how(found)})" for pair, found in alike.items()),
                ),
                _sentence("Implausible amplitude", self._implausible),
                _sentence("Centres whose amplitudes differ by a factor of 5 or more", self._centres()),
            )
            if sentence
        )

    def _pairs(self) -> tuple[list[Pair], dict[Pair, Likeness]]:
        """The pairs of recordings that are the same, and those that are alike."""
        by_hash: dict[str, list[int]] = {}
        for index, source in enumerate(self._sources.cohort):
            by_hash.setdefault(source.sha256, []).append(index)
        same = {pair for equal in by_hash.values() for pair in pairwise(equal)}
        alike: dict[Pair, Likeness] = {}
        kept: dict[int, Recording] = {}
        candidates = find_candidates(self._sketches)
        for pair, group in groupby(candidates, key=lambda each: (each.first, each.second)):
            found = None if pair in same else self._likeness(pair, list(group), kept)
            if found is not None and found.same:
                same.add(pair)
            elif found is not None and found.alike:
                alike[pair] = found
        return sorted(same), alike

    def _likeness(self, pair: Pair, candidates: Sequence[Candidate], kept: dict[int, Recording]) -> Likeness:
        one, other = (self._prepared(index, kept) for index in pair)
        best: Likeness | None = None
        for candidate in candidates:
            lead = int(self._compared[candidate.lead])
            found = likeness(one, other, lead=lead, lag_s=candidate.lag_s)
            if found.same:
                return found
            if best is None or found.correlation > best.correlation:
                best = found
        assert best is not None
        return best

    def _prepared(self, index: int, kept: dict[int, Recording]) -> Recording:
        if index not in kept:
            if len(kept) >= _KEPT_RECORDINGS:
                del kept[next(iter(kept))]
            raw = derive_leads(read_any(self._sources.cohort[index].path), self._sources.cohort_leads)
            kept[index] = prepared(raw)
        return kept[index]

    def _leak(self, leaks: Sequence[Pair]) -> str:
        one, other = (self._sources.cohort[index] for index in leaks[0])
        more = f" ({len(leaks) - 1} more such pairs)" if len(leaks) > 1 else ""
        return (
            f"rows {one.row} and {other.row} of the manifest, recordings {one.record_id!r} and "
            f"{other.record_id!r}, hold the same signal under two patients{more}; remove one of the rows, "
            "name one of the patients in cohort.exclude_patients, or give both the same patient_id"
        )

    def _rows(self, pair: Pair) -> str:
        one, other = (self._sources.cohort[index].row for index in pair)
        return f"rows {one} and {other}"

    def _centres(self) -> Iterator[str]:
        clinical = {patient.patient_id: patient.clinical for patient in self._sources.patients}
        for column in CENTRE_COLUMNS:
            amplitudes: dict[str, list[float]] = {}
            for source, amplitude in zip(self._sources.cohort, self._amplitudes, strict=True):
                centre = clinical[source.patient_id].get(column)
                if centre is not None and amplitude > 0:
                    amplitudes.setdefault(str(centre), []).append(amplitude)
            yield from _contrasts({name: float(np.median(each)) for name, each in amplitudes.items()})


def review_cohort(
    sources: Sources, on_progress: OnProgress = lambda what, done, total: None
) -> tuple[str, ...]:
    """Read every recording of the cohort and return what is wrong with the cohort as a whole."""
    review = CohortReview(sources)
    for done, source in enumerate(sources.cohort):
        on_progress("review cohort", done, len(sources.cohort))
        review.add(source, derive_leads(read_any(source.path), sources.cohort_leads))
    on_progress("review cohort", len(sources.cohort), len(sources.cohort))
    return review.findings()


def _compared_rows(leads: Sequence[str]) -> list[int]:
    """The leads that say something of their own: with I and II, the other limb leads follow."""
    dependent = set(STANDARD_LEADS) - set(INDEPENDENT_LEADS) if {"I", "II"} <= set(leads) else set()
    return [row for row, lead in enumerate(leads) if lead not in dependent]


def _contrasts(medians: Mapping[str, float]) -> Iterator[str]:
    for (one, first), (other, second) in combinations(medians.items(), 2):
        if max(first, second) >= CENTRE_FACTOR * min(first, second):
            yield f"{one} ({first:.2g} mV) and {other} ({second:.2g} mV)"


def _how(found: Likeness) -> str:
    shift = f", shifted by {abs(found.shift_s):.2f} s" if found.shift_s else ""
    return f"correlation {found.correlation:.3f} on lead {found.lead}{shift}"


def _sentence(what: str, places: Iterator[str] | Sequence[str]) -> str:
    """The finding with the first places named; empty without any."""
    named = list(places)
    more = f"; and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return f"{what}: {'; '.join(named[:MAX_NAMED])}{more}." if named else ""

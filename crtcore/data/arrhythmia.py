"""A WFDB database with beat annotations -> the sources that networks are pre-trained on."""

from crtcore.config import Experiment
from crtcore.data.sources import Source, content_hash
from crtcore.errors import DataError
from crtcore.signal.wfdb_reader import list_records


def arrhythmia_sources(experiment: Experiment) -> tuple[Source, ...]:
    """The database's records in name order, each a patient of its own.

    MIT-BIH's 201 and 202 are one subject; the published inter-patient split (de Chazal et al., IEEE TBME
    2004;51:1196) has one in each half, and figures are compared by that split, so records stay the unit
    here.

    Raises DataError if the folder, a record or an annotation file is missing.
    """
    folder = experiment.database_path
    if not folder.is_dir():
        raise DataError(
            f"arrhythmia database {folder} is not a folder; "
            f"set arrhythmia.database (and data) to where it lies"
        )
    present = list_records(folder)
    chosen = experiment.arrhythmia.records or present
    unknown = [name for name in chosen if name not in present]
    if unknown:
        raise DataError(
            f"record {unknown[0]} is not in {folder}; it has {len(present)} records: "
            f"{', '.join(present[:60])}; correct arrhythmia.records"
        )
    return tuple(
        Source(
            record_id=name,
            patient_id=name,
            path=folder / name,
            sha256=content_hash(folder / name, annotated=True),
        )
        for name in sorted(set(chosen))
    )

"""Read the public table of the survey "An Anatomy of Vision-Language-Action Models" (arXiv 2512.11362), and mend it.

The table is kept by hand, one row a model, as CSV. What is mended:

- a byte order mark, spaces around values, and stray quotes
- names of challenges and sub-challenges that are misspelt or differ in case, by a list and by the taxonomy's `table`
- rows whose columns are shifted, because a comma is missing, too many, or of the full-width kind: the names of
  sub-challenges and the kinds of training say where the columns are
- several values in one cell, separated by semicolons
- years with a month and a day, with dashes or strokes of any kind
- "-", "None" and "null" for nothing, and stars beside names

What cannot be mended is left out, with a sentence. We have no copy of the table: it has no licence.
"""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.papers.taxonomy import Challenge, taxonomy

COLUMNS = (
    "Abbr",
    "Year",
    "Paper URL",
    "Website URL",
    "Challenge Tag",
    "Sub-Challeng Tag",
    "How to Solve",
    "Training Type",
    "Dataset",
    "Evaluation",
)
"""The table's own header, with its misspelling."""
SUB_CHALLENGE, TRAINING = COLUMNS.index("Sub-Challeng Tag"), COLUMNS.index("Training Type")

MISSPELT = {"Interatction": "Interaction"}
TRAININGS = ("BC", "Predictive Modeling", "RL")
NOTHING = ("", "-", "–", "none", "null", "n/a")
URL = re.compile(r"https?://[^\s,;\"]+")


@dataclass(frozen=True)
class Model:
    """A row of the table."""

    name: str
    year: int
    date: str
    """Year-month-day where the table says so; "" else."""
    paper: str
    website: str
    challenges: tuple[str, ...]
    """Ids of the taxonomy; the challenges above the sub-challenges are among them."""
    sub_challenges: tuple[str, ...]
    """Ids of the taxonomy."""
    approach: str
    training: tuple[str, ...]
    """Of `TRAININGS`."""
    data_sets: tuple[str, ...]
    evaluations: tuple[str, ...]


@dataclass(frozen=True)
class SurveyTable:
    """What was read."""

    models: tuple[Model, ...]
    repairs: tuple[str, ...]
    """Rows whose columns were shifted, each as a sentence."""
    left_out: tuple[str, ...]
    """Rows that could not be read, each as a sentence."""

    @property
    def counts(self) -> dict[str, int]:
        """Sub-challenge -> rows, in the order of the taxonomy."""
        found = Counter(tag for model in self.models for tag in model.sub_challenges)
        return {record.id: found[record.id] for record in taxonomy().challenges if record.above}

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "counts": self.counts}


def read_survey_table(path: str | Path) -> SurveyTable:
    """Read the table from a file.

    Raises:
        ActlabError: there is no such file, it is no UTF-8 text, or its first line is not the table's header.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ActlabError(f"{path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ActlabError(f"{path} could not be read as UTF-8 text: {error}.") from None
    rows = [_split(line) for line in text.splitlines()]
    header = [_clean(cell) for cell in rows[0]] if rows else []
    if header != list(COLUMNS):
        raise ActlabError(f"{path} should begin with the columns {', '.join(COLUMNS)}; received {', '.join(header)}.")
    models, repairs, left_out = [], [], []
    for number, row in enumerate(rows[1:], 2):
        if not any(_clean(cell) for cell in row):
            continue
        cells = [_clean(part) for cell in row for part in cell.split("，")]
        if _is_shifted(cells) and (mended := _realigned(cells)):
            cells = mended
            repairs.append(f"row {number} ({cells[0]}): its columns were shifted.")
        try:
            models.append(_model(cells))
        except ActlabError as error:
            left_out.append(f"row {number} ({cells[0]}): {error}")
    return SurveyTable(tuple(models), tuple(repairs), tuple(left_out))


# --- cells -------------------------------------------------------------------------------------------


def _split(line: str) -> list[str]:
    """The cells of a line; where its quotes do not pair, they mean nothing."""
    return next(csv.reader([line if line.count('"') % 2 == 0 else line.replace('"', "")], skipinitialspace=True), [])


def _clean(cell: str) -> str:
    """A cell without a byte order mark, stray quotes, doubled spaces and known misspellings."""
    text = " ".join(cell.replace("\ufeff", "").split()).strip("\"'“” ")
    for wrong, right in MISSPELT.items():
        text = text.replace(wrong, right)
    return text


def _several(cell: str) -> tuple[str, ...]:
    parts = (part.strip() for part in cell.split(";"))
    return tuple(dict.fromkeys(part for part in parts if part.lower() not in NOTHING))


def _named(cell: str, sub: bool) -> tuple[str, ...]:
    """Ids of the challenges that a cell names anywhere."""
    named = [record for record in _challenges(sub) if record.table.lower() in cell.lower()]
    return tuple(record.id for record in named)


def _challenges(sub: bool) -> list[Challenge]:
    return [record for record in taxonomy().challenges if bool(record.above) == sub]


def _trainings(cell: str) -> tuple[str, ...] | None:
    """The kinds of training in a cell; None if it holds anything else, () if it holds nothing."""
    parts = [part.strip().lower() for part in re.split(r";|\band\b|\+|/", cell)]
    known = {kind.lower(): kind for kind in TRAININGS}
    wanted = [part for part in parts if part not in NOTHING]
    return tuple(dict.fromkeys(known[part] for part in wanted)) if all(part in known for part in wanted) else None


def _date(cell: str) -> tuple[int, str]:
    """Year, and the day where it is one.

    Raises:
        ActlabError: there is no year.
    """
    plain = "".join("-" if unicodedata.category(c) == "Pd" or c in "/.−" else c for c in cell)
    match = re.match(r"(\d{4})(?:-(\d{1,2})-(\d{1,2}))?(?!\d)", plain)
    if not match:
        raise ActlabError(f"expected a year; received {cell!r}.")
    year, month, day = match.groups()
    return int(year), f"{year}-{month:0>2}-{day:0>2}" if day else ""


# --- rows --------------------------------------------------------------------------------------------


def _is_shifted(cells: Sequence[str]) -> bool:
    if len(cells) != len(COLUMNS):
        return True
    if not _named(cells[SUB_CHALLENGE], sub=True):
        return any(_named(cell, sub=True) for cell in cells)
    return not _trainings(cells[TRAINING]) and any(map(_trainings, cells[TRAINING:]))


def _realigned(cells: Sequence[str]) -> list[str]:
    """The row in its ten columns, found by what the cells hold; none where no sub-challenge or no year is found."""
    place = next((i for i, cell in enumerate(cells) if _named(cell, sub=True)), 0)
    year = next((i for i, cell in enumerate(cells[:place]) if re.match(r"\d{4}(?!\d)", cell)), 0)
    if not place or not year:
        return []
    links, named = [], []
    for cell in cells[year + 1 : place]:
        tables = [record.table for record in _challenges(sub=False) if record.table.lower() in cell.lower()]
        links += [_until(url, tables) for url in URL.findall(cell)] or ([] if tables else [cell])
        named += tables
    rest = cells[place + 1 :]
    training = next((i for i, cell in enumerate(rest) if i and _trainings(cell)), 1)
    kind, data, evaluation = [*rest[training:], "", "", ""][:3]
    first = [", ".join(cells[:year]), cells[year], *[*links, "", ""][:2], ";".join(dict.fromkeys(named))]
    return [*first, cells[place], ", ".join(filter(None, rest[:training])), kind, data, evaluation]


def _until(url: str, names: Sequence[str]) -> str:
    """A link without the beginning of a challenge's name that was glued to it."""
    first = [name.split()[0] for name in names]
    return next((url[: -len(word)] for word in first if url.endswith(word)), url)


def _model(cells: Sequence[str]) -> Model:
    """A row as a record.

    Raises:
        ActlabError: it has not the ten columns, no name, no year, no sub-challenge, or an unknown kind of training.
    """
    if len(cells) != len(COLUMNS):
        raise ActlabError(f"expected {len(COLUMNS)} columns; received {len(cells)}, and none names a sub-challenge.")
    name = cells[0].strip("⭐★* ")
    if not name:
        raise ActlabError("it has no name.")
    year, date = _date(cells[1])
    sub = _named(cells[SUB_CHALLENGE], sub=True)
    if not sub:
        raise ActlabError(f"no sub-challenge is called {cells[SUB_CHALLENGE]!r}.")
    training = _trainings(cells[TRAINING])
    if training is None:
        raise ActlabError(f"a kind of training is one of {', '.join(TRAININGS)}; received {cells[TRAINING]!r}.")
    above = {taxonomy().lineage(tag)[1] for tag in sub} | set(_named(cells[4], sub=False))
    return Model(
        name=name,
        year=year,
        date=date,
        paper="".join(_several(cells[2])),
        website="".join(_several(cells[3])),
        challenges=tuple(record.id for record in _challenges(sub=False) if record.id in above),
        sub_challenges=sub,
        approach=cells[6],
        training=training,
        data_sets=_several(cells[8]),
        evaluations=_several(cells[9]),
    )

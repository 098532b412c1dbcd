"""Fellegi-Sunter matching with Splink on DuckDB: records in, scored pairs out.

Everything happens in memory in one process and one thread: records are identity fields, which must
not be spilled to a disk, and sums in a fixed order make the same input give the same weights.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sekisho.common.errors import UserError
from sekisho.data.linkage.rule import Block, Comparison, Level, LinkageRule

if TYPE_CHECKING:
    import pyarrow as pa

ID = "unique_id"
DECIMALS = 4
"""Weights and probabilities are rounded to so many decimals, before anything is decided."""


@dataclass(frozen=True)
class Pair:
    """Two records of different sources, by their ids; ``a`` comes first in order of (source, id).

    ``weight`` is the match weight, log2 of the odds that they are one person.
    """

    source_a: str
    a: str
    source_b: str
    b: str
    weight: float
    probability: float


def require_splink() -> None:
    """Check that the matcher is installed.

    Raises:
        UserError: it is not; names the extra that brings it.
    """
    try:
        import splink  # noqa: F401  # looked for, not used
    except ImportError as error:
        raise UserError(
            "linkage.not-installed",
            "Matching without identifiers needs Splink, which is not installed.",
            next_step="install the extra: pip install 'sekisho[enclave]'",
        ) from error


def score(
    sources: Mapping[str, pa.Table],
    rule: LinkageRule,
    seed: int,
    *,
    wanted: str | None = None,
) -> list[Pair]:
    """Return the pairs that reach the rule's clerical band, best first.

    Args:
        sources: source → records, with ``unique_id`` and the rule's columns, all text. A rule
            of mode ``dedupe`` takes one source.
        seed: of the sample of pairs from which chance agreement is estimated.
        wanted: a column of truth values; pairs are looked at where it holds for one of the two.

    Raises:
        UserError: Splink is not installed, or a column is missing.
    """
    require_splink()
    _check_columns(sources, rule)
    if rule.mode == "link" and sum(1 for rows in sources.values() if rows.num_rows) < 2:
        return []
    import duckdb
    from splink import Linker, SettingsCreator
    from splink.backends.duckdb import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.ERROR)
    learns = sum(rows.num_rows for rows in sources.values()) >= rule.learn_from
    connection = duckdb.connect(":memory:", config={"threads": 1, "temp_directory": ""})
    try:
        api = DuckDBAPI(connection)
        names = sorted(sources)
        frames = [
            api.register(sources[name].sort_by(ID), dataset_display_name=f"s{n:04}")
            for n, name in enumerate(names)
        ]
        settings = SettingsCreator(
            link_type="link_only" if rule.mode == "link" else "dedupe_only",
            comparisons=[_comparison(one, fixed=not learns) for one in rule.comparison],
            blocking_rules_to_generate_predictions=[_block(one, wanted) for one in rule.block],
            probability_two_random_records_match=_prior(sources, rule),
            retain_matching_columns=False,
            unique_id_column_name=ID,
            linker_uid="sekisho",
        )
        linker = Linker(frames, settings, log_level=logging.ERROR)
        if learns:
            _learn(linker, rule, seed)
        found = linker.inference.predict(
            threshold_match_probability=max(rule.clerical - 10**-DECIMALS, 1e-6),
            warning_mode="never",
        )
        pairs = [_pair(row, names, rule) for row in found.as_record_list()]
    finally:
        connection.close()
    kept = [pair for pair in pairs if pair.probability >= rule.clerical]
    return sorted(kept, key=lambda p: (-p.weight, p.source_a, p.a, p.source_b, p.b))


def _check_columns(sources: Mapping[str, pa.Table], rule: LinkageRule) -> None:
    for name, rows in sources.items():
        missing = sorted({ID, *rule.columns} - set(rows.column_names))
        if missing:
            raise UserError(
                "linkage.no-column",
                f"Records of {name} lack {', '.join(missing)}.",
                rule=f"{rule.id} {rule.version}",
                next_step="normalise the records first, or use the rule that is made for them",
            )


def _prior(sources: Mapping[str, pa.Table], rule: LinkageRule) -> float:
    """Return how likely two records of different sources are one person, before they are read."""
    sizes = [rows.num_rows for rows in sources.values() if rows.num_rows]
    pairs = [(one, other) for n, one in enumerate(sizes) for other in sizes[n + 1 :]]
    same = sum(rule.shared * min(pair) for pair in pairs)
    looked_at = sum(one * other for one, other in pairs)
    return min(max(same / looked_at if looked_at else rule.shared, 1e-9), 0.5)


def _learn(linker: Any, rule: LinkageRule, seed: int) -> None:
    """Estimate how often levels agree by chance, and for one person; truth is not looked at."""
    training = linker.training
    certain = [_equal(columns) for columns in rule.prior_on]
    training.estimate_probability_two_random_records_match(certain, recall=rule.prior_recall)
    # The whole sample at once: in chunks, it would end when enough was seen.
    training.estimate_u_using_random_sampling(
        max_pairs=rule.sample_pairs, seed=seed, min_count_per_level=None, num_chunks=1
    )
    for block in rule.block:
        if block.train:
            training.estimate_parameters_using_expectation_maximisation(
                _equal(block.on), record_sample_proportion=1.0
            )


def _pair(row: Mapping[str, Any], names: Sequence[str], rule: LinkageRule) -> Pair:
    def end(side: str) -> tuple[str, str]:
        source = row.get(f"source_dataset_{side}")
        return names[int(str(source)[1:])] if source else names[0], str(row[f"{ID}_{side}"])

    (source_a, a), (source_b, b) = sorted((end("l"), end("r")))
    return Pair(
        source_a,
        a,
        source_b,
        b,
        round(float(row["match_weight"]), DECIMALS),
        round(float(row["match_probability"]), DECIMALS),
    )


def _equal(columns: Sequence[str]) -> str:
    return " AND ".join(f'l."{column}" = r."{column}"' for column in columns)


def _block(block: Block, wanted: str | None) -> Any:
    from splink.blocking_rule_library import CustomRule

    also = f' AND (l."{wanted}" OR r."{wanted}")' if wanted else ""
    return CustomRule(_equal(block.on) + also)


def _comparison(it: Comparison, *, fixed: bool) -> dict[str, Any]:
    missing = " AND ".join(f'("{c}_l" IS NULL OR "{c}_r" IS NULL)' for c in it.columns)
    levels: list[dict[str, Any]] = [
        {"sql_condition": missing, "label_for_charts": "missing", "is_null_level": True}
    ]
    for one in it.level:
        level: dict[str, Any] = {"sql_condition": _sql(one), "label_for_charts": one.kind}
        if it.frequency and one.kind == "exact" and one is it.level[0]:
            level["tf_adjustment_column"] = one.column
        levels.append(level | _probabilities(one.m, one.u, fixed))
    otherwise: dict[str, Any] = {"sql_condition": "ELSE", "label_for_charts": "else"}
    levels.append(otherwise | _probabilities(it.m, it.u, fixed))
    return {"output_column_name": it.name, "comparison_levels": levels}


def _probabilities(m: float | None, u: float | None, fixed: bool) -> dict[str, Any]:
    return {"m_probability": m, "u_probability": u} if fixed and m is not None else {}


def _sql(level: Level) -> str:
    left, right = f'"{level.column}_l"', f'"{level.column}_r"'
    if level.kind == "exact":
        return f"{left} = {right}"
    if level.kind == "jaro_winkler":
        return f"jaro_winkler_similarity({left}, {right}) >= {level.threshold}"
    if level.kind == "edits":
        return f"damerau_levenshtein({left}, {right}) <= {level.threshold}"
    if level.kind == "one_ends_other":
        return f"(ends_with({left}, {right}) OR ends_with({right}, {left}))"
    return f'({left} = "{level.other}_r" AND "{level.other}_l" = {right})'

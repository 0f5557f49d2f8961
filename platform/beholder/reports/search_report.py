"""The report of a hyperparameter search: the pooled setting, what matters, and whether anybody needs a setting of their own."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from beholder.reports import search_charts
from beholder.reports.data_table import Column, DataTable, PeopleTable
from beholder.reports.parts import Chart, CommandLine, Paragraph
from beholder.reports.report import Fact, Report, Section

_RIGHT = {
    "accuracy.chosen": "right",
    "accuracy.chosen.best": "best, chosen by",
    "accuracy.chosen.pooled": "pooled, chosen by",
    "accuracy.reported.best": "best, held out",
    "accuracy.reported.pooled": "pooled, held out",
    "accuracy.reported.kept": "kept, held out",
}


def search_report(
    kind: str,
    verdict: str,
    metrics: Mapping[str, Any],
    *,
    people: pd.DataFrame,
    trials: pd.DataFrame,
    settings: pd.DataFrame,
    logs: Collection[str],
    importance: Mapping[str, float],
    command: str,
) -> Report:
    """Return the report. metrics, people, trials: those of `beholder tune`. settings: a row for each trial, in the same order.
    logs: the settings on a logarithmic scale. importance: the share of each, or nothing. command: what fits the pooled setting."""
    right = {name: Column(title, ".1%") for name, title in _RIGHT.items()}
    shown = people.drop(columns=["best.trial"]).sort_values(["kept", "user_id"])
    best_first = trials.sort_values("loss").drop(columns=["seconds", "gpus"])
    charts = _charts(people, trials, settings, logs, str(metrics["pooled.setting"]))
    matters: Chart | Paragraph = _importance(importance) if importance else Paragraph("Too few settings to tell.")
    return Report(
        f"Search for {kind} tastes",
        verdict,
        ["The search saw one part of each person's judgements; what settings are worth is measured on another."],
        [
            Fact("people", f"{metrics['people']:,}", f"{metrics['people.own']:,} keep a setting of their own"),
            Fact("settings tried", f"{metrics['settings']:,}", f"{metrics['settings.stopped']:,} stopped early"),
            Fact("pooled setting right", f"{metrics['accuracy.reported.pooled']:.1%}", "of unseen pairs"),
            Fact("everybody's luckiest", f"{metrics['accuracy.reported.luckiest']:.1%}", "of unseen pairs"),
            Fact("what people keep", f"{metrics['accuracy.reported.kept']:.1%}", "of unseen pairs"),
        ],
        [
            Section("The pooled setting", [CommandLine(command.split(" "))]),
            Section("Settings", charts[:2]),
            Section("What matters", [matters]),
            Section("Luck", charts[2:]),
            Section(
                "People",
                [
                    PeopleTable(
                        shown,
                        "People, with the setting that looks best for each beside the pooled one: right in pairs that "
                        "settings were "
                        "chosen by, and in held-out ones. p: that the lead is luck.",
                        {"user_id": Column("person"), "kept": Column("keeps", choices=True), **right},
                    )
                ],
            ),
            Section(
                "Every setting",
                [
                    DataTable(
                        best_first, "Trials, the lowest held-out loss first. Right: in pairs that settings are chosen by.", right
                    )
                ],
            ),
        ],
    )


def _charts(people: pd.DataFrame, trials: pd.DataFrame, settings: pd.DataFrame, logs: Collection[str], pooled: str) -> list[Chart]:
    loss = trials["loss"].to_numpy()
    lead = pd.DataFrame(
        {
            "chosen_lead": people["accuracy.chosen.best"] - people["accuracy.chosen.pooled"],
            "reported_lead": people["accuracy.reported.best"] - people["accuracy.reported.pooled"],
            "own": people["kept"] == "own",
        }
    )
    chosen, reported = lead["chosen_lead"].mean(), lead["reported_lead"].mean()
    return [
        Chart(
            "parallel",
            search_charts.parallel(settings, loss, logs=logs),
            f"{len(trials)} settings",
            "Each line is a setting: the stronger it is, the lower its held-out loss, averaged over people.",
            f"Lines over {', '.join(settings.columns)} and the loss; the pooled setting has {pooled}.",
            wide=True,
        ),
        Chart(
            "slices",
            search_charts.slices(settings, loss, logs=logs),
            "Held-out loss over each setting",
            "Each dot is a trial, the ring the best one; bars are medians.",
            f"The lowest loss is {loss.min():.3f}; the pooled setting has {pooled}.",
            wide=True,
        ),
        Chart(
            "luck",
            search_charts.selection_bias(lead),
            "The luckiest setting of each person",
            "How far each person's best-looking setting leads the pooled one: where it was chosen, and on pairs of images that "
            "the search never saw. What is left of the lead there is real; the rest was luck.",
            f"The mean lead is {chosen:+.3f} where it was chosen and {reported:+.3f} on held-out pairs.",
        ),
    ]


def _importance(importance: Mapping[str, float]) -> Chart:
    return Chart(
        "importance",
        search_charts.importances(importance),
        "What matters",
        "Share of the differences in loss between settings that each explains on its own (fANOVA).",
        "; ".join(f"{name} {share:.0%}" for name, share in importance.items()),
    )

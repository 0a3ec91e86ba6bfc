"""Bar charts for reports, as SVG without scripts. The only user of pygal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pygal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPTIONS: dict[str, Any] = {"js": [], "disable_xml_declaration": True}
_MOST_LABELS = 30
"""As many labels can be read below the bars."""


def rows(
    title: str, unit: str, labels: Sequence[str], series: Mapping[str, Sequence[float]]
) -> str:
    """A horizontal bar for each label, the series stacked in it; `unit` stands at the axis.

    The first label is at the top, as in a table.
    """
    plot = pygal.HorizontalStackedBar(title=title, x_title=unit, **_OPTIONS)
    return _drawn(plot, labels[::-1], _reversed(series))


def paired_rows(
    title: str, unit: str, labels: Sequence[str], series: Mapping[str, Sequence[float]]
) -> str:
    """Horizontal bars for each label, those of the series beside each other."""
    plot = pygal.HorizontalBar(title=title, x_title=unit, **_OPTIONS)
    return _drawn(plot, labels[::-1], _reversed(series))


def columns(
    title: str, unit: str, labels: Sequence[str], series: Mapping[str, Sequence[float]]
) -> str:
    """A vertical bar for each label, the series stacked in it; `unit` stands at the axis.

    Of many labels only every so manieth is written.
    """
    plot = pygal.StackedBar(
        title=title,
        y_title=unit,
        x_label_rotation=60,
        x_labels_major_every=1 + len(labels) // _MOST_LABELS,
        show_minor_x_labels=False,
        **_OPTIONS,
    )
    return _drawn(plot, labels, series)


def _reversed(series: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    return {name: values[::-1] for name, values in series.items()}


def _drawn(plot: Any, labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    plot.x_labels = list(labels)
    plot.show_legend = len(series) > 1
    for name, values in series.items():
        plot.add(name, list(values))
    plot.add_xml_filter(_without_scripts)
    svg: str = plot.render(is_unicode=True)
    return svg


def _without_scripts(root: Any) -> Any:
    """The picture without what pygal adds for its tooltips: pages that forbid scripts show it."""
    for parent in root.iter():
        for child in [item for item in parent if str(item.tag).endswith("script")]:
            parent.remove(child)
    return root

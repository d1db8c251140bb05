"""The kinds of panel that Limosa's dashboards are made of.

Each takes what a reader needs first: a title, a description (what it shows, how to read it), a unit, and queries. All
ask the data source that the dashboard's variable `$datasource` names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8
QUIET, GOOD, WARN, BAD = "text", "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Query:
    """One line of PromQL; `legend` names its series by their labels."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What stands around a panel."""

    title: str
    description: str
    unit: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: one query's value, under its own name."""

    name: str
    query: str
    unit: str = ""
    hidden: bool = False


Panel = timeseries.Panel | stat.Panel | heatmap.Panel | barchart.Panel | table.Panel | statetimeline.Panel
Kind = TypeVar("Kind", timeseries.Panel, stat.Panel, heatmap.Panel, barchart.Panel, table.Panel, statetimeline.Panel)


def lines(text: Text, *queries: Query, span: int = 8, empty: str = "") -> timeseries.Panel:
    """Values over time."""
    panel = _framed(timeseries.Panel(), text, span, empty)
    panel.min(0).fill_opacity(8).line_width(1.5).show_points(common_models.VisibilityMode.AUTO)
    panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    panel.legend(_legend())
    return _asking(panel, queries)


def steps(text: Text, *queries: Query, span: int = 8, empty: str = "") -> timeseries.Panel:
    """Values that jump: rounds."""
    panel = lines(text, *queries, span=span, empty=empty)
    return panel.line_interpolation(common_models.LineInterpolation.STEP_AFTER).decimals(0)


def stacked(text: Text, *queries: Query, span: int = 8) -> timeseries.Panel:
    """Parts of a whole over time, one upon the other."""
    panel = lines(text, *queries, span=span).fill_opacity(50)
    return panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))


def events(text: Text, *queries: Query, span: int = 8) -> timeseries.Panel:
    """Stacked bars: how much happened in each interval. A minute or more each, so that neighbours do not overlap."""
    panel = stacked(text, *queries, span=span).draw_style(common_models.GraphDrawStyle.BARS).interval("1m")
    return panel.line_width(0).fill_opacity(80)


def stat_of(text: Text, *queries: Query, span: int = 4, colours: Mapping[float, str] | None = None) -> stat.Panel:
    """The value now. `colours` are those from a value on."""
    panel = _framed(stat.Panel(), text, span, "none").height(4)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.graph_mode(common_models.BigValueGraphMode.NONE).color_mode(common_models.BigValueColorMode.VALUE)
    panel.thresholds(_thresholds(colours or {}))
    return _asking(panel, queries, instant=True)


def heat(text: Text, query: str, *, span: int = 12) -> heatmap.Panel:
    """A histogram's buckets over time: `query` sums increases by `le`."""
    panel = _framed(heatmap.Panel(), text, span, "").interval("1m")
    panel.calculate(False).show_legend().cell_gap(1).filter_values(heatmap.FilterValueRange().le(1e-9))
    panel.y_axis(heatmap.YAxisConfig().unit(text.unit).axis_placement(common_models.AxisPlacement.LEFT))
    panel.color(heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
    panel.cell_values(heatmap.CellValues().unit("short").decimals(0))
    panel.tooltip(heatmap.HeatmapTooltip().mode(common_models.TooltipDisplayMode.SINGLE).y_histogram(True))
    return panel.with_target(_target(Query(query, "{{le}}")).ref_id("A").range().format(PromQueryFormat.HEATMAP))


def bars(text: Text, query: str, *, row: str, part: str, span: int = 12) -> barchart.Panel:
    """One bar for each value of label `row`, stacked of the values of label `part`."""
    panel = _framed(barchart.Panel(), text, span, "")
    panel.orientation(common_models.VizOrientation.HORIZONTAL).stacking(common_models.StackingMode.NORMAL)
    panel.show_value(common_models.VisibilityMode.NEVER).bar_width(0.8).fill_opacity(80).line_width(0)
    panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    panel.legend(_legend())
    pivot = {"columnField": part, "rowField": row, "valueField": "Value", "emptyValue": "zero"}
    panel.with_transformation(model.DataTransformerConfig(id_val="groupingToMatrix", options=pivot))
    return panel.with_target(_target(Query(query)).ref_id("A").instant().format(PromQueryFormat.TABLE))


def table_of(text: Text, *columns: Column, labels: Mapping[str, str], span: int = 24) -> table.Panel:
    """Two or more instant queries joined where their labels agree, a column each; `labels` names those of labels."""
    panel = _framed(table.Panel(), text, span, "")
    refs = [chr(ord("A") + i) for i in range(len(columns))]
    values = [f"Value #{ref}" for ref in refs]
    for ref, column in zip(refs, columns, strict=True):
        panel.with_target(_target(Query(column.query)).ref_id(ref).instant().format(PromQueryFormat.TABLE))
        if column.unit:
            panel.override_by_name(column.name, [model.DynamicConfigValue(id_val="unit", value=column.unit)])
    names = {value: column.name for value, column in zip(values, columns, strict=True) if not column.hidden}
    order = {name: place for place, name in enumerate([*labels, *values])}
    hidden = {"Time": True} | {v: True for v, column in zip(values, columns, strict=True) if column.hidden}
    options = {
        "excludeByName": hidden,
        "indexByName": order,
        "renameByName": {**labels, **names},
    }
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    return panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=options))


def places(text: Text, query: Query, *, on: str, span: int = 24) -> statetimeline.Panel:
    """A row for each series, coloured while its value is 1, which is called `on`."""
    panel = _framed(statetimeline.Panel(), text, span, "")
    panel.merge_values(True).show_value(common_models.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    named = {
        "1": model.ValueMappingResult(text=on, color=GOOD),
        "0": model.ValueMappingResult(text="", color="transparent"),
    }
    panel.mappings([model.ValueMap(options=named)])
    return _asking(panel, (query,))


def _framed(panel: Kind, text: Text, span: int, empty: str) -> Kind:
    panel.title(text.title).description(text.description).unit(text.unit)
    if empty:
        panel.no_value(empty)
    return panel.datasource(SOURCE).span(span).height(HEIGHT)


def _asking(panel: Kind, queries: tuple[Query, ...], *, instant: bool = False) -> Kind:
    for number, query in enumerate(queries):
        target = _target(query).ref_id(chr(ord("A") + number))
        panel.with_target(target.instant() if instant else target.range())
    return panel


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(common_models.LegendDisplayMode.LIST).show_legend(True)
    return legend.placement(common_models.LegendPlacement.BOTTOM)


def _target(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(SOURCE).expr(query.expr).legend_format(query.legend or "__auto")


def _thresholds(colours: Mapping[float, str]) -> dashboard.ThresholdsConfig:
    base = [model.Threshold(value=None, color=QUIET)]
    coloured = [model.Threshold(value=value, color=color) for value, color in sorted(colours.items())]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(base + coloured)

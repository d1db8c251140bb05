"""What the dashboards have in common: a stable uid, their variables, links to each other, one look.

Grafana finds a dashboard again by its uid: bookmarks and links live as long as that stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.panels import SOURCE, Panel

ALL = ".+"
TAG = "limosa"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and what stands below it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `uid` is also its file's name."""

    uid: str
    title: str
    description: str
    variables: Sequence[dashboard.QueryVariable]
    rows: Sequence[Row]
    since: str = "now-1h"

    def build(self) -> model.Dashboard:
        built = dashboard.Dashboard(self.title).uid(self.uid).description(self.description).tags([TAG])
        built.readonly().refresh("5s").time(self.since, "now").timezone("browser")
        built.tooltip(model.DashboardCursorSync.CROSSHAIR)
        others = dashboard.DashboardLink("Limosa").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
        built.link(others.as_dropdown(False).include_vars(True).keep_time(True).placement(""))  # in sight, in no menu
        built.with_variable(_datasource())
        for variable in self.variables:
            built.with_variable(variable)
        number = 0
        for row in self.rows:
            number += 1
            built.with_row(dashboard.Row(row.title).id(number))
            for panel in row.panels:
                number += 1
                built.with_panel(panel.id(number))
        return built.build()


def algorithm() -> dashboard.QueryVariable:
    return _variable("algorithm", "Algorithm", "label_values(limosa_migrations_total, algorithm)")


def vm() -> dashboard.QueryVariable:
    return _variable("vm", "VM", "label_values(limosa_vm_owner, vm)")


def node() -> dashboard.QueryVariable:
    return _variable("node", "Node", "label_values(limosa_node_up, node)")


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Several values or all; asked again when the time range changes, so that what is gone can still be chosen."""
    made = dashboard.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.NATURAL_ASC)
    everything = model.VariableOption(text="All", value="$__all", selected=True)
    return made.multi(True).include_all(True).all_value(ALL).current(everything)


def _datasource() -> dashboard.DatasourceVariable:
    provisioned = model.VariableOption(text="Prometheus", value="prometheus", selected=True)
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(provisioned)

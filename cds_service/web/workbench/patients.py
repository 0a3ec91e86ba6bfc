"""The example patients: the charts in a folder, one Bundle in each file, by the file's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.errors import RequestError, UnknownService, did_you_mean
from cds_service.web.workbench import chart

if TYPE_CHECKING:
    from pathlib import Path

    from cds_service.web.workbench.chart import Chart


@dataclass(frozen=True, slots=True)
class Patients:
    """The charts of one folder, read when they are asked for: a new file is there at once."""

    folder: Path

    def names(self) -> list[str]:
        """The names of the charts, in order; none where there is no folder."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def every(self) -> dict[str, Chart]:
        """The charts that can be read, by name."""
        found = {}
        for name in self.names():
            try:
                found[name] = self.chart(name)
            except RequestError:  # not FHIR, so not an example patient
                continue
        return found

    def chart(self, name: str) -> Chart:
        """The chart of this name; raises UnknownService naming the closest ones."""
        if name not in self.names():
            raise UnknownService(
                f"there is no example patient '{name}'", hint=did_you_mean(name, self.names())
            )
        return chart.read(fhir_json.decode((self.folder / f"{name}.json").read_bytes()))

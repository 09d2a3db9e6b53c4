"""Types of contracts for import-linter that find the features and their `requires` themselves.

`pyproject.toml` names these classes in `contract_types`. So it does not have to name the features.
"""

from pathlib import Path
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output
from importlinter.contracts.layers import LayersContract

from project.core.features import Feature, find_features

ABOVE_FEATURES = ('api', 'configuration')


def features() -> tuple[Feature, ...]:
    """Return the features of the repository in which import-linter runs."""
    return find_features(Path('project'))


class FeatureBorders(Contract):
    """A feature imports only the core and the features that it requires."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return all forbidden imports between features."""
        found = [
            {**details, 'remedy': remedy}
            for importer, imported, remedy in self._forbidden()
            if f'project.{imported}' in graph.modules
            for details in _direct_imports(graph, f'project.{importer}', f'project.{imported}')
        ]
        return ContractCheck(kept=not found, metadata={'imports': found})

    def _forbidden(self) -> list[tuple[str, str, str]]:
        """Return (package, package that it must not import, remedy) for all such pairs."""
        required = {feature.name: feature.requires for feature in features()}
        above = 'features export names in their `__init__.py`; the factory reads them'
        pairs = [(name, other, above) for name in (*required, 'core') for other in ABOVE_FEATURES]
        pairs += [('core', name, f'move the code to project/{name}') for name in required]
        pairs += [
            (
                name,
                other,
                f'add {other!r} to requires in project/{name}/__init__.py, or move the code down',
            )
            for name, allowed in required.items()
            for other in required
            if other != name and other not in allowed
        ]
        return pairs

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each forbidden import with its file, line and remedy."""
        for each in check.metadata['imports']:
            place = f'{_path_of(each["importer"])}:{each["line_number"]}'
            output.print_error(f'{place}: imports {each["imported"]}. Remedy: {each["remedy"]}.')


class FeatureSteps(LayersContract):
    """Inside a feature, modules import only from lower steps: `routes` from `service`.

    The option `layers` lists the steps, the highest first. All other modules of a feature (adapters
    such as `clamd`) form one layer below `models`, and may import each other.
    """

    def __init__(self, name: str, session_options: Any, contract_options: dict[str, Any]) -> None:
        options = dict(contract_options)
        *upper, lowest = options['layers']
        known = {step.strip(' ()') for layer in (*upper, lowest) for step in layer.split('|')}
        others = (
            {
                path.stem
                for feature in features()
                for path in Path('project', feature.name).iterdir()
                if path.suffix == '.py' or (path / '__init__.py').is_file()
            }
            - known
            - {'__init__'}
        )
        adapters = [' : '.join(f'({each})' for each in sorted(others))] if others else []
        options['layers'] = [*upper, *adapters, lowest]
        options['containers'] = [f'project.{feature.name}' for feature in features()]
        super().__init__(name, session_options, options)


def _path_of(module: str) -> Path:
    """Return the path of a module."""
    path = Path(*module.split('.'))
    return path / '__init__.py' if path.is_dir() else path.with_suffix('.py')


def _direct_imports(graph: ImportGraph, importer: str, imported: str) -> list[dict[str, Any]]:
    """Return the imports with which modules of `importer` import modules of `imported`."""
    return [
        details
        for source in sorted({importer, *graph.find_descendants(importer)})
        for target in sorted(graph.find_modules_directly_imported_by(source))
        if target == imported or target.startswith(f'{imported}.')
        for details in graph.get_import_details(importer=source, imported=target)
    ]

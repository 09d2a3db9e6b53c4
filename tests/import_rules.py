"""Rules of import-linter that derive their modules from the features and their `requires`.

`pyproject.toml` names these classes in `contract_types`, so that it names no feature.
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
        """Return the imports that cross a border."""
        found = [
            {**details, 'remedy': remedy}
            for importer, imported, remedy in self._forbidden()
            if f'project.{imported}' in graph.modules
            for details in _direct_imports(graph, f'project.{importer}', f'project.{imported}')
        ]
        return ContractCheck(kept=not found, metadata={'imports': found})

    def _forbidden(self) -> list[tuple[str, str, str]]:
        """Return pairs of packages that must not import each other, with the remedy."""
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
        """Print each import with its file, line and remedy."""
        for each in check.metadata['imports']:
            place = f'{_path_of(each["importer"])}:{each["line_number"]}'
            output.print_error(f'{place}: imports {each["imported"]}. Remedy: {each["remedy"]}.')


class FeatureSteps(LayersContract):
    """Inside a feature, imports point downwards through the steps that `layers` lists.

    Modules without a fixed name (adapters such as `clamd`) form one layer below `models`, and may
    import each other.
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
    """Return the imports from modules of one package of modules of another one."""
    return [
        details
        for source in sorted({importer, *graph.find_descendants(importer)})
        for target in sorted(graph.find_modules_directly_imported_by(source))
        if target == imported or target.startswith(f'{imported}.')
        for details in graph.get_import_details(importer=source, imported=target)
    ]

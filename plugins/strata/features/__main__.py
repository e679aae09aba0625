"""``python -m strata.features``: bring dbt's files up to date with the config."""

from pathlib import Path

from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from strata.features.render import write


def main() -> None:
    """Write the generated files and print which; run it at the project's root."""
    config = read_yaml(Path("config/features.yml"), FeaturesConfig)
    for path in write(config, Path("dbt_project")):
        print(path)


if __name__ == "__main__":
    main()

"""Starts Patroni with what Bongsu changes in it: python -m bongsu.cluster.patroni FILE.yml

Patroni raises ttl below 20, and retry_timeout below 3, to these floors while it runs. A profile below them takes the
floors away; that is outside of what Patroni's makers support, and the profile `supported` does without.
"""

import sys
from pathlib import Path
from typing import Any, Final

LOWEST: Final = {"ttl": 3, "retry_timeout": 1, "loop_wait": 1}


def lower_floors() -> None:
    """Patroni's own check stays, with lower floors: loop_wait + 2 x retry_timeout <= ttl is still enforced."""
    from patroni.config import Config  # type: ignore[import-untyped]

    name = "_Config__get_and_maybe_adjust_int_value"
    adjust = getattr(Config, name)

    def with_lower_floor(self: Any, config: dict[str, Any], param: str, min_value: int) -> int:
        return int(adjust(self, config, param, min(min_value, LOWEST[param])))

    setattr(Config, name, with_lower_floor)


def main() -> None:
    import yaml  # type: ignore[import-untyped]
    from patroni.__main__ import main as run  # type: ignore[import-untyped]

    if yaml.safe_load(Path(sys.argv[1]).read_text()).get("bongsu", {}).get("below_floors"):
        lower_floors()
    run()


if __name__ == "__main__":  # Patroni starts PostgreSQL from a process of its own that imports this file again
    main()

"""What the figures were taken on: without it they say nothing."""

import os
import platform
from pathlib import Path


def facts(folder: Path) -> dict[str, str]:
    """Processor, cores, memory, kernel, Python, and the disk under the data."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int((_first('/proc/meminfo', 'MemTotal') or '0 kB').split()[0]) / 1024**2:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file system of the data": filesystem(folder),
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
    }


def filesystem(folder: Path) -> str:
    """Its type, from the longest mount point above the folder. A tmpfs makes fsync free, and the figures worthless."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    kind = max(above)[1] if above else "unknown"
    return f"{kind} (in memory: fsync costs nothing here)" if kind == "tmpfs" else kind


def _first(path: str, name: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None

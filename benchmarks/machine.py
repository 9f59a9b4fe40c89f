"""What the benchmarks say of the machine that they ran on."""

import os
import platform
import re
from pathlib import Path

import psutil


def machine() -> dict[str, object]:
    """Describe the machine without its name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    info = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    cores = psutil.cpu_count()
    model = info.get("model name", platform.machine())
    return {
        "slug": re.sub("[^a-z0-9]+", "-", f"{model} {cores} cpu".lower()),
        "cpu": f"{model} (family {info.get('cpu family')}, model {info.get('model')})",
        "cores": cores,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_start": os.getloadavg()[0],
    }

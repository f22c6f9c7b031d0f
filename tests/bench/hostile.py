"""How long it takes to refuse the folders of `tests/bot/policies/hostile.py`: `python -m tests.bench.hostile`."""

import resource
import subprocess
import tempfile
import time
from pathlib import Path

from bot.policies.candidate import read_candidate
from tests.bot.policies.hostile import HOSTILE
from tests.bot.policies.shop import good_files, write


def main() -> None:
    """Print a row for each folder."""
    print(f"{'folder':<20} {'seconds':>8} {'CPU':>6} {'problems':>9} {'memory so far':>14}")
    for name, (spoil, _) in HOSTILE.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            folder = write(Path(place) / "prompts", good_files())
            spoil(folder)
            began, worked = time.perf_counter(), time.process_time()
            candidate = read_candidate(folder, language="vi")
            seconds, work = time.perf_counter() - began, time.process_time() - worked
            subprocess.run(["rm", "-rf", "--", folder], check=True)  # deeper than Python's own way can go
        assert candidate.prompts is None
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:<20} {seconds:>8.2f} {work:>6.2f} {len(candidate.problems):>9} {memory:>11.0f} MB")


if __name__ == "__main__":
    main()

"""Any command of dftspark in the session of spark-submit, as `dftspark` takes it.

    spark-submit --properties-file conf/spark-defaults.conf \\
        jobs/command.py audit --human s3a://texts/human/ --model s3a://texts/gpt-4/

spark-submit starts files and no modules: this one stands for `python -m dftspark`, and is told
nothing of the master, which is that of spark-submit.

Writes  what the command writes
Exits   as the command does
"""

from __future__ import annotations

from dftspark.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

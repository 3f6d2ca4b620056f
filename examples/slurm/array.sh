#!/bin/bash
# An array: the same run with ten seeds, each a job of its own with its own split, candidates, files and journal.
#
#     sbatch array.sh
#     sbatch --array=0-99 array.sh table.csv --target price
#
#SBATCH --job-name=ash-array
#SBATCH --array=0-9
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=01:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail

# summary.json of each has its scores; a task that is sent again goes on from its own journal.
out="ash-tune-out/seed-$SLURM_ARRAY_TASK_ID"
mkdir -p "$out"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ash-tune --seed "$SLURM_ARRAY_TASK_ID" --threads "$SLURM_CPUS_PER_TASK" \
    --out "$out" --json "$out/summary.json" --journal "$out/run.ash" "${@:-digits}"

#!/bin/bash
# A job array: runs the same search with ten seeds. Each run has its own job, split, candidates, files and journal.
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

# Each run writes its scores to summary.json. A task that is submitted again resumes from its own journal.
out="ash-tune-out/seed-$SLURM_ARRAY_TASK_ID"
mkdir -p "$out"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ash-tune --seed "$SLURM_ARRAY_TASK_ID" --threads "$SLURM_CPUS_PER_TASK" \
    --out "$out" --json "$out/summary.json" --journal "$out/run.ash" "${@:-digits}"

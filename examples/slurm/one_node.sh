#!/bin/bash
# One node: the run uses threads on all of its cores. The outcome is the same on any number of threads.
#
#     sbatch one_node.sh
#     sbatch one_node.sh table.csv --target price --candidates 1024
#
#SBATCH --job-name=ash-one-node
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem-per-cpu=2G
#SBATCH --time=01:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail

# Slurm sends TERM two minutes before the time is over, and ash-tune then writes its results so far. However the
# job ended, call the same sbatch again to resume from the journal. If the node fails, Slurm itself submits the job
# again.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ash-tune --threads "$SLURM_CPUS_PER_TASK" --journal run.ash "${@:-digits}"

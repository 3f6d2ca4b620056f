#!/bin/bash
# One node, all its cores: threads, with the same outcome on any number of them.
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

# TERM comes two minutes before the time is over: what has finished is written then. Whatever else ends the job, the
# same sbatch, or Slurm itself after a node has failed, goes on from the journal.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    ash-tune --threads "$SLURM_CPUS_PER_TASK" --journal run.ash "${@:-digits}"

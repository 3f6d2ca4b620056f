#!/bin/bash
# MPI on any number of nodes: rank 0 makes the decisions. Each other rank trains as many networks at a time as it has
# cores, and holds one copy of the data for all of them.
#
#     sbatch mpi.sh
#     sbatch --ntasks=17 --cpus-per-task=8 mpi.sh table.csv --target price --candidates 4096 --virtual-workers 256
#
#SBATCH --job-name=ash-mpi
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=01:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail

# If a rank dies, the job ends; call the same sbatch again to resume from the journal. If srun does not support the MPI
# library that mpi4py was built for, replace srun by mpiexec. --virtual-workers changes the outcome. Here there are two workers
# per thread, so that no thread waits for its next job.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 \
    python -m mpi4py.futures -m ash --threads-per-worker "$SLURM_CPUS_PER_TASK" --virtual-workers 64 --journal run.ash "${@:-digits}"

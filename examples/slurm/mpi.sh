#!/bin/bash
# MPI over as many nodes as it takes: rank 0 decides, each of the others trains as many networks at a time
# as it has cores, and has the data once for all of them.
#
#     sbatch mpi.sh
#     sbatch --ntasks=17 --cpus-per-task=8 mpi.sh table.csv --target price --candidates 4096 --workers 256
#
#SBATCH --job-name=ash-mpi
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=01:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail

# A rank that dies ends the job, and the same sbatch goes on from the journal. Where srun does not know the MPI that
# mpi4py was built for, put mpiexec in its place. --workers is part of the outcome: two for each thread, so that
# none waits for its next job.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 \
    python -m mpi4py.futures -m ash --threads-per-worker "$SLURM_CPUS_PER_TASK" --workers 64 --journal run.ash "${@:-digits}"

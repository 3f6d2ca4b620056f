#!/bin/bash
# Dask: a scheduler and the command on the first node, a worker process with all its cores on every node. A node that
# is lost costs its jobs only.
#
#     sbatch dask.sh
#     sbatch --nodes=16 dask.sh table.csv --target price --candidates 4096 --workers 512
#
#SBATCH --job-name=ash-dask
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem-per-cpu=2G
#SBATCH --time=01:00:00
#SBATCH --no-kill
#SBATCH --requeue
set -euo pipefail

# Whoever reaches the scheduler can run code as you: on a network that others share, give all three Dask's TLS
# certificates.
port=$((20000 + SLURM_JOB_ID % 20000))
address="tcp://$(hostname):$port"
dask scheduler --port "$port" --no-dashboard &
scheduler=$!
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 \
    dask worker "$address" --nthreads "$SLURM_CPUS_PER_TASK" --no-dashboard --local-directory "${TMPDIR:-/tmp}" &
workers=$!
trap 'kill "$workers" "$scheduler" || true; wait' EXIT

# --threads says how many jobs are done at a time, since the first worker is there before the others; --workers, which
# is part of the outcome, twice as many, so that none waits for its next job.
ash-tune --dask "$address" --worker-timeout 300 --threads "$((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK))" \
    --workers 128 --journal run.ash "${@:-digits}"

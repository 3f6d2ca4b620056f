#!/bin/bash
# Dask: the scheduler and ash-tune run on the first node. Each node has one worker process that uses all its cores. If
# a node other than the first is lost, only its running jobs have to be repeated.
#
#     sbatch dask.sh
#     sbatch --nodes=16 dask.sh table.csv --target price --candidates 4096 --virtual-workers 512
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

# Anyone who can connect to the scheduler can run code as you. On a shared network, give Dask's TLS certificates to the
# scheduler, the workers and ash-tune.
port=$((20000 + SLURM_JOB_ID % 20000))
address="tcp://$(hostname):$port"
dask scheduler --port "$port" --no-dashboard &
scheduler=$!
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 \
    dask worker "$address" --nthreads "$SLURM_CPUS_PER_TASK" --no-dashboard --local-directory "${TMPDIR:-/tmp}" &
workers=$!
trap 'kill "$workers" "$scheduler" || true; wait' EXIT

# --threads is the number of jobs at a time. It is given because ash-tune may start when only the first worker has
# connected. --virtual-workers, which changes the outcome, is twice that number, so that no thread waits for its next job.
ash-tune --dask "$address" --worker-timeout 300 --threads "$((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK))" \
    --virtual-workers 128 --journal run.ash "${@:-digits}"

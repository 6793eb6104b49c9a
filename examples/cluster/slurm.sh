#!/bin/sh
# An audit by shadow pipelines on several nodes: sbatch examples/cluster/slurm.sh RUN
# One node runs the scheduler of Dask and the audit, every task one worker of one thread. Needs upcycle[dask] on all nodes.
#SBATCH --job-name=upcycle
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
set -eu
RUN=$1
HEAD=$(hostname)
python -m distributed.cli.dask_scheduler --host "$HEAD" --port 8786 --no-dashboard &
until python -c "import socket; socket.create_connection(('$HEAD', 8786), 2)" 2>/dev/null; do sleep 1; done
srun --overlap python -m distributed.cli.dask_worker "tcp://$HEAD:8786" --nthreads 1 --no-dashboard &
sleep 30 # until the workers have joined; those that come later are used, too
upcycle audit "$RUN" --budget full --engine "dask://$HEAD:8786"

"""How does a sweep scale with the number of nodes, and what does each node read from the shared storage?

    python -m benchmarks.scaling [--nodes 1 2 3] [--trials 12] [--quick]

The same sweep (sampler grid, no pruning, one trial per node at a time) runs on 1, 2 and 3 Ray nodes with one
CPU each, and a head without trials. The storage is an S3 server (moto). Each node has its own cache and its
own relay to the storage, which counts what the node reads.

    wall_s       wall seconds of the sweep on prepared data
    efficiency   wall_s on one node / (nodes x wall_s). 1 is perfect. It is meaningful only if the machine has
                 a core for each node and one more for head and storage; `cores` is the number of cores.
    read         for each node: the bytes read from the storage, the number of different shards read, and how
                 often the most frequent one was read (1: no shard more than once)
"""

import argparse
import json
import logging
import os
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
from moto.server import ThreadedMotoServer
from ray.cluster_utils import Cluster

from crtcore.config import Experiment
from crtcore.pipeline import open_store, plan, prepare, read_sources
from crtcore.simulation.write import simulate
from search.sweep.run import run_sweep

OBJECT_STORE_BYTES: Final = 100 << 20
REQUEST: Final = re.compile(rb"GET (/\S*/stages/shard/\S*\.parquet\S*) HTTP/1\.1")
CHUNK_BYTES: Final = 1 << 16


class Relay:
    """A port that forwards to the S3 server and counts the bytes and shards that one node reads."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.shards: Counter[bytes] = Counter()
        self.bytes_read = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._server)
            threading.Thread(target=self._pass_requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass_answers, args=(server, client), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        for chunk in _chunks(client, server):
            self.shards.update(REQUEST.findall(chunk))

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        for chunk in _chunks(server, client):
            self.bytes_read += len(chunk)


def _chunks(source: socket.socket, target: socket.socket) -> Iterator[bytes]:
    """Forward everything from one socket to the other, and yield it."""
    try:
        while chunk := source.recv(CHUNK_BYTES):
            yield chunk
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()  # one end closed the connection


def experiment_of(folder: Path, bucket: str, num_trials: int, *, quick: bool) -> Experiment:
    """Trials that each pre-train for one epoch.

    All cost about the same, and none waits for another. With one epoch, none saves progress: that is hundreds
    of megabytes, and would measure the S3 server.
    """
    rates = [0.001 * 1.2**step for step in range(num_trials)]
    return Experiment.model_validate(
        {
            "name": "scaling",
            "storage": f"s3://{bucket}/lab?scheme=http&region=us-east-1",
            "cache": "~/cache",  # each node has its own home
            "data": folder,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8 if quick else 60},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 4},
            "pretrain": {"epochs": 1, "batch_size": 32},
            "finetune": {"epochs": 10, "folds": 2, "frozen_groups": 5, "batch_size": 16},
            "search": {
                "trials": num_trials,
                "sampler": "grid",
                "scheduler": {"name": "none"},
                "space": {"pretrain.learning_rate": rates},
            },
        }
    )


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """A context with environment variables, for this process and its children."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def run(num_nodes: int, folder: Path, num_trials: int, *, quick: bool) -> dict[str, Any]:
    """Run one sweep on its own cluster and storage."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    own = Relay(server.get_host_and_port())
    relays = [Relay(server.get_host_and_port()) for _ in range(num_nodes)]
    bucket = f"on-{num_nodes}-nodes"  # moto keeps buckets after its server stops
    home = folder / bucket
    with environment(
        AWS_ENDPOINT_URL=own.url,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_EC2_METADATA_DISABLED="true",
        HOME=str(home / "driver"),
        RAY_AUTH_MODE="disabled",
    ):
        boto3.client("s3", "us-east-1").create_bucket(Bucket=bucket)
        experiment = experiment_of(folder / "data", bucket, num_trials, quick=quick)
        prepare(open_store(experiment), plan(experiment, read_sources(experiment)))
        cluster = Cluster()
        try:
            cluster.add_node(num_cpus=0, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)
            for number, relay in enumerate(relays):
                own_environment = {"AWS_ENDPOINT_URL": relay.url, "HOME": str(home / f"node-{number}")}
                cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES, env_vars=own_environment)
            start_s = time.monotonic()
            leaderboard = run_sweep(experiment, address=str(cluster.address))
            wall_s = time.monotonic() - start_s
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API
            server.stop()
    assert len(leaderboard.rows) == num_trials
    return {
        "nodes": num_nodes,
        "wall_s": round(wall_s, 1),
        "read": [
            {
                "bytes": relay.bytes_read,
                "shards": len(relay.shards),
                "most_often": max(relay.shards.values(), default=0),
            }
            for relay in relays
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="half as many trials, and shorter ones")
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs one line per request
    num_trials = arguments.trials // 2 if arguments.quick else arguments.trials
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minutes = 0.5 if arguments.quick else 2.0
        simulate(folder / "data", seed=1, num_records=8, minutes=minutes, num_patients=12)
        runs = []
        for num_nodes in arguments.nodes:
            runs.append(run(num_nodes, folder, num_trials, quick=arguments.quick))
            print(json.dumps(runs[-1]), file=sys.stderr)
    alone_s = runs[0]["wall_s"] * runs[0]["nodes"]
    for each in runs:
        each["efficiency"] = round(alone_s / (each["nodes"] * each["wall_s"]), 2)
    print(json.dumps({"cores": os.cpu_count(), "trials": num_trials, "runs": runs}))


if __name__ == "__main__":
    main()

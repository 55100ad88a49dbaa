"""Serves a model on 127.0.0.1 until its standard input ends. Runs in an environment of its own, with `xllamacpp` alone.

python server.py MODEL.gguf PORT
"""

import sys

import xllamacpp


def main(model: str, port: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_ctx = 16_384
    params.n_parallel = 1
    params.use_jinja = True
    params.offline = True
    params.cors_origins = ""
    params.cpuparams.n_threads = 2
    server = xllamacpp.Server(params)
    print("serving", server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Keeps an agent from any network but this machine's own loopback."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

MARK = "SESSIONFOLD_AGENTS_ALONE"
NOWHERE = "http://127.0.0.1:9"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def alone():
    """Starts this program again in a network namespace of its own where that can be had. What it says is for the user."""
    if os.environ.get(MARK) == "1":
        _raise_loopback()
        return "in a network namespace of its own, with a loopback and nothing else"
    for flags in (["--net"], ["--map-root-user", "--net"]):
        if shutil.which("unshare") and subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode == 0:
            os.environ[MARK] = "1"
            sys.stdout.flush()
            os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])
    return "with proxies that lead nowhere, because no network namespace can be made here"


def environment():
    """For what does not heed a namespace, because there is none. The namespace needs no proxies, and some agents would take them for the way to us."""
    if os.environ.get(MARK) == "1":
        return {}
    proxies = {name: NOWHERE for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    variables = {**proxies, "NO_PROXY": "127.0.0.1,localhost"}
    return {**variables, **{name.lower(): value for name, value in variables.items()}}


def _raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(probe, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))

# SPDX-License-Identifier: Apache-2.0
"""Options of everything that boots the machine."""

import argparse
import pathlib

from vm import CACHE, ROOT


def parser(output, **settings):
    """`output`: the folder under build/xen that gets the results unless told otherwise."""
    parser = argparse.ArgumentParser(**settings)
    parser.add_argument("--memory", type=int, default=4096, metavar="MIB", help="of the machine (default %(default)s)")
    parser.add_argument("--dom0-memory", type=int, default=1024, metavar="MIB", help="of dom0 (default %(default)s)")
    parser.add_argument("--smp", type=int, default=1, metavar="N", help="processors (default %(default)s)")
    parser.add_argument("--accel", choices=("auto", "tcg", "kvm"), default="auto",
                        help="default: KVM where it has nested virtualisation and boots Xen, else TCG")
    parser.add_argument("--add", action="append", default=[], metavar="HOST[:INSIDE]",
                        help="a file or folder to put inside (default: under /chaos when it is in the repository, else "
                             "at the same path), with the shared libraries that its programs need")
    parser.add_argument("--with-xl", action="store_true",
                        help="xl, both xenstoreds, xenconsoled; `xl-up [xenstored|oxenstored]` inside starts them")
    parser.add_argument("--with-python", action="store_true", help="python3 with pytest, and the tools the tests call")
    parser.add_argument("--with-kernel", action="store_true", help="dom0's own kernel as /boot/vmlinuz, for guests")
    parser.add_argument("--module", action="append", default=[], metavar="NAME", help="a further kernel module of dom0")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the command")
    parser.add_argument("--xen-arguments", default="", metavar="WORDS", help="added to Xen's command line")
    parser.add_argument("--kernel-arguments", default="", metavar="WORDS", help="added to dom0's command line")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", metavar="DIR",
                        help="whose programs and guests go inside (default build)")
    parser.add_argument("--output", type=pathlib.Path, default=CACHE / output, metavar="DIR",
                        help=f"gets what is left in /out inside, console.log (Xen, the kernel) and "
                             f"command.log (default build/xen/{output})")
    parser.add_argument("--output-size", type=int, default=256, metavar="MIB", help="room for that (default 256)")
    parser.add_argument("--deadline", type=float, default=600, metavar="S", help="for everything (default %(default)s)")
    parser.add_argument("--boot-deadline", type=float, default=180, metavar="S",
                        help="to reach dom0's user space (default %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="only the output from inside")
    return parser

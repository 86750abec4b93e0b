import h5py
import numpy as np

from skpr.files._links import walk

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)


def test_links_are_followed_but_not_in_circles(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/b/data"] = STACK
        file["a/b/up"] = h5py.SoftLink("/a")
        file["a/same"] = file["a/b"]
        file["gone"] = h5py.ExternalLink("gone.h5", "/x")
        names = {one.name: one for one in walk(file)}
    assert set(names) == {"a/b/data", "a/same/data", "gone"}
    assert names["gone"].missing == "gone.h5 (/x), which does not exist"

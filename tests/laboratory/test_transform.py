import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from skpr import LazyBatch
from skpr.laboratory import to_laboratory
from tests.conftest import DTYPES, SHAPES, random_objects
from tests.laboratory.simulated import Crystal, facet_errors, places, setting

AXES = 1e-8 * np.array([[2.0, 0.3, -0.8], [0.2, 1.7, 0.1], [0.5, -0.4, 2.2]])
WIDTH = 7.5e-8


def smooth(r):
    """A lopsided lump whose phase winds several times, with no sharp edge."""
    t = r / WIDTH
    lump = np.exp(-(t[..., 0] ** 2) - 1.4 * t[..., 1] ** 2 - 1.1 * t[..., 2] ** 2)
    return lump * np.exp(1j * (2.5 * t[..., 0] - 1.5 * t[..., 1] * t[..., 2]))


def on_voxels(axes, shape=(30, 28, 26), of=smooth):
    return of(places(axes, shape))[None]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthogonal_axes_leave_objects_as_they_are(shape, dtype):
    objects = random_objects(shape, dtype, 3)
    found = to_laboratory(objects, 3e-9 * np.eye(len(shape)))
    assert found.objects.dtype == dtype
    assert found.objects.shape == objects.shape
    np.testing.assert_allclose(found.objects, objects, atol=2e-5)
    assert found.voxel_size == pytest.approx((3e-9,) * len(shape))
    assert found.origin == pytest.approx([-(n // 2) * 3e-9 for n in shape])


def test_oblique_voxels_show_the_same_object_on_orthogonal_ones():
    found = to_laboratory(on_voxels(AXES), AXES)
    r = places(np.diag(found.voxel_size), found.objects.shape[1:])
    np.testing.assert_allclose(r[0, 0, 0], found.origin)
    np.testing.assert_allclose(found.objects[0], smooth(r), atol=2e-4)


@pytest.mark.parametrize("voxel_size", [0.8e-8, (1.1e-8, 0.7e-8, 1.6e-8)], ids=str)
def test_phases_are_preserved_wherever_there_is_an_amplitude(voxel_size):
    found = to_laboratory(on_voxels(AXES), AXES, voxel_size=voxel_size)
    truth = smooth(places(np.diag(found.voxel_size), found.objects.shape[1:]))
    bright = np.abs(truth) > 0.05
    wrapped = np.angle(found.objects[0][bright] / truth[bright])
    assert np.abs(wrapped).max() < 5e-3
    assert np.ptp(np.angle(truth[bright])) > 6  # they wrap


@pytest.mark.parametrize("voxel_size", [None, 4e-8], ids=["", "coarse"])
def test_steep_ramps_are_as_exact_as_flat_phases(voxel_size):
    """A quarter of a turn per oblique voxel, and more than half a turn per coarse new one."""
    ramp = 2 * np.pi * np.linalg.inv(AXES) @ (0.25, -0.2, 0.15)

    def steep(r):
        return np.exp(-((r / 8e-8) ** 2).sum(axis=-1) + 1j * r @ ramp)

    found = to_laboratory(on_voxels(AXES, of=steep), AXES, voxel_size=voxel_size)
    truth = steep(places(np.diag(found.voxel_size), found.objects.shape[1:]))
    np.testing.assert_allclose(found.objects[0], truth, atol=2e-3)
    assert voxel_size is None or np.abs(ramp * voxel_size).max() > np.pi


@pytest.mark.parametrize("seed", range(3))
def test_a_turned_setting_turns_the_objects(seed):
    turn = Rotation.random(random_state=seed)
    turned = to_laboratory(on_voxels(AXES), AXES @ turn.as_matrix().T)
    upright = to_laboratory(on_voxels(AXES), AXES)
    assert turned.voxel_size == pytest.approx(upright.voxel_size)
    r = places(np.diag(turned.voxel_size), turned.objects.shape[1:])
    np.testing.assert_allclose(
        turned.objects[0], smooth(turn.inv().apply(r.reshape(-1, 3)).reshape(r.shape)), atol=2e-4
    )


@pytest.mark.parametrize("mirror", [(-1, 1, 1), (1, -1, 1), (1, 1, -1)], ids=str)
def test_left_handed_axes_are_as_good_as_right_handed_ones(mirror):
    axes = np.diag(mirror) @ AXES  # as of a detector whose rows count the other way
    assert np.linalg.det(axes) * np.linalg.det(AXES) < 0
    found = to_laboratory(on_voxels(axes), axes)
    r = places(np.diag(found.voxel_size), found.objects.shape[1:])
    np.testing.assert_allclose(found.objects[0], smooth(r), atol=2e-4)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.2])
def test_integrals_keep_their_scale_when_voxels_change_their_volume(scale):
    objects = on_voxels(AXES)
    size = scale * to_laboratory(objects, AXES).voxel_size[0]
    found = to_laboratory(objects, AXES, voxel_size=size)
    for power in (1, 2):
        before = (np.abs(objects) ** power).sum() * abs(np.linalg.det(AXES))
        after = (np.abs(found.objects) ** power).sum() * size**3
        assert after == pytest.approx(before, rel=2e-3)


def test_the_grid_holds_the_whole_frame_and_nothing_beyond_it():
    found = to_laboratory(np.ones((1, 8, 8)), [[1.0, 0.0], [0.5, 1.0]], voxel_size=0.25)
    filled = found.objects[0] > 0.5
    assert filled.any(axis=1)[[0, -1]].all() or filled.sum() * 0.25**2 == pytest.approx(
        64, rel=0.03
    )
    assert filled.sum() * 0.25**2 == pytest.approx(64, rel=0.03)
    assert (found.objects[0][~filled] == 0).all()


def test_a_shape_cuts_the_grid_around_the_middle():
    whole = to_laboratory(on_voxels(AXES), AXES)
    part = to_laboratory(on_voxels(AXES), AXES, shape=(9, 10, 11))
    window = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m)
        for n, m in zip(whole.objects.shape[1:], (9, 10, 11), strict=True)
    )
    np.testing.assert_allclose(part.objects[0], whole.objects[0][window], atol=1e-9)
    assert part.origin == pytest.approx([-k * part.voxel_size[0] for k in (4, 5, 5)])


def test_tensors_come_back_as_tensors_and_keep_gradients():
    objects = torch.from_numpy(on_voxels(AXES, (10, 9, 8))).requires_grad_()
    found = to_laboratory(objects, AXES)
    np.testing.assert_array_equal(
        found.objects.detach(), to_laboratory(objects.detach().numpy(), AXES).objects
    )
    found.objects.abs().square().sum().backward()
    assert objects.grad.abs().max() > 0


def test_batches_on_disk_and_lists_are_read(tmp_path):
    objects = random_objects((8, 9), "complex64", 3)
    np.save(tmp_path / "objects.npy", objects)
    axes, expected = [[1.0, 0.2], [0.0, 1.0]], to_laboratory(objects, [[1.0, 0.2], [0.0, 1.0]])
    lazy = LazyBatch(np.load(tmp_path / "objects.npy", mmap_mode="r"))
    for given in (lazy, np.load(tmp_path / "objects.npy", mmap_mode="r"), list(objects)):
        np.testing.assert_array_equal(to_laboratory(given, axes).objects, expected.objects)


def test_many_voxels_are_interpolated_alike_in_parts(monkeypatch):
    whole = to_laboratory(on_voxels(AXES, (10, 9, 8)), AXES).objects
    monkeypatch.setattr("skpr.laboratory._transform.PLACES", 777)
    np.testing.assert_allclose(to_laboratory(on_voxels(AXES, (10, 9, 8)), AXES).objects, whole)


@pytest.mark.parametrize(
    ("objects", "axes", "options", "message"),
    [
        (np.full((1, 4, 4, 4), np.nan), np.eye(3), {}, "Input objects contains NaN in 64 of 64"),
        (np.ones((1, 4, 4, 4)), np.eye(2), {}, "axes=.* is not valid; give 3 vectors of 3 finite"),
        (np.ones((1, 4, 4, 4)), np.ones((3, 3)), {}, "axes=.* is singular; give 3 linearly"),
        (np.ones((1, 4, 4, 4)), np.eye(3) * np.nan, {}, "axes=.* is not valid"),
        (np.ones((1, 4, 4)), np.eye(3), {}, "axes=.* is not valid; give 2 vectors of 2 finite"),
        (np.ones(4), np.eye(3), {}, r"objects has shape \(4,\)"),
        (np.ones((1, 4, 4)), np.eye(2), {"voxel_size": 0}, "voxel_size=0 is not valid"),
        (np.ones((1, 4, 4)), np.eye(2), {"shape": (4, 4, 4)}, "shape=.* is not valid"),
        (np.ones((1, 4, 4)), np.eye(2), {"voxel_size": 1e-9}, "voxel_size=1e-09 makes a grid of"),
        (np.ones((1, 4, 4)), np.eye(2), {"voxel_size": 1e-320}, "voxel_size=1e-320 makes a grid"),
        (np.ones((1, 4, 4)), np.eye(2), {"voxel_size": 9.0}, "voxel_size=9.0 is larger than the"),
    ],
)
def test_mistakes_are_told(objects, axes, options, message):
    with pytest.raises(ValueError, match=message):
        to_laboratory(objects, axes, **options)


def test_grids_larger_than_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("skpr._memory.free_memory", lambda: 1 << 20)
    with pytest.raises(MemoryError, match=r"a grid of voxel_size=\(0.01, 0.01\) needs .* memory"):
        to_laboratory(np.ones((1, 4, 4)), np.eye(2), voxel_size=0.01)


@pytest.mark.parametrize("rows", [(0, -1, 0), (0, 1, 0)], ids=["", "mirrored"])
def test_facets_of_a_simulated_crystal_come_out_to_half_a_degree(rows):
    shape = (48, 60, 60)
    axes, q = setting(shape, rows=rows)
    crystal = Crystal(2.8e-7, q, max_phase=5.0)
    oblique = crystal(places(axes, shape)).astype(np.complex64)[None]
    found = to_laboratory(oblique, axes)
    errors = facet_errors(np.abs(found.objects[0]), found.voxel_size[0], crystal)
    assert len(errors) >= 8
    assert errors.max() < 0.5
    # the same voxels taken for orthogonal ones have no such facets
    taken = facet_errors(np.abs(oblique[0]), np.linalg.norm(axes[1]), crystal)
    assert len(taken) == 0 or np.median(taken) > 5


def test_axes_that_are_not_in_metres_get_a_word():
    with pytest.warns(UserWarning, match="voxels of axes are 5 m apart; give axes in metres, as"):
        to_laboratory(np.ones((1, 4, 4, 4)), 5 * np.eye(3))

"""Containers that users hold batches in: each is read correctly, or refused with a sentence that
says what to give instead.
"""

import contextlib
import warnings
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.utils import Bunch

from skpr import FourierMagnitude
from skpr._arrays import check_batch

VALUES = np.arange(12.0).reshape(3, 4)
MAGNITUDES = {"allow_complex": False, "ensure_all_finite": "allow-nan"}


class Pair(NamedTuple):
    """A result of several arrays, as `retrieve` returns one."""

    objects: np.ndarray
    errors: np.ndarray


class Quantity(np.ndarray):
    """An array with a unit, as those of Astropy and unyt are."""

    unit = "nm"

    @property
    def value(self):  # with no examples of its own, as NumPy's function would bring them
        return np.asarray(self)


class Dimensionless(Quantity):
    unit = ""


@contextlib.contextmanager
def prototype_warnings():
    """PyTorch warns where its tensors are prototypes, as they are made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def quantized():
    with prototype_warnings():
        return torch.quantize_per_tensor(torch.from_numpy(VALUES).float(), 0.5, 3, torch.quint8)


def masked(values=VALUES):
    return np.ma.masked_greater(values, 9)


READABLE = {
    "list": lambda: VALUES.tolist(),
    "tuple of arrays": lambda: tuple(VALUES),
    "list of tensors": lambda: list(torch.from_numpy(VALUES)),
    "list of tensors with gradient": lambda: list(torch.from_numpy(VALUES).requires_grad_()),
    "list of lists of tensors": lambda: [
        list(row) for row in torch.from_numpy(VALUES).requires_grad_()
    ],
    "list of quantities": lambda: list(VALUES.view(Dimensionless)),
    "tensor and array": lambda: [torch.from_numpy(VALUES[0]), *VALUES[1:]],
    "range": lambda: [range(0, 4), range(4, 8), range(8, 12)],
    "fractions": lambda: [[Fraction(int(v), 1) for v in row] for row in VALUES],
    "objects": lambda: VALUES.astype(object),
    "array of arrays": lambda: np.fromiter(VALUES, dtype=object),
    "subclass": lambda: VALUES.view(Dimensionless),
    "nothing masked": lambda: np.ma.masked_greater(VALUES, 99),
    "field of a packed record": lambda: np.rec.fromarrays(
        [np.ones(3, "u1"), VALUES], dtype="u1, 4f8"
    )["f1"],
    "big endian": lambda: VALUES.astype(">f8"),
    "long": lambda: VALUES.astype(np.longdouble),
    "Fortran order": lambda: np.asfortranarray(VALUES),
    "negative strides": lambda: VALUES[::-1, ::-1].copy()[::-1, ::-1],
    "quantized": quantized,
    "conjugate view": lambda: (
        torch.complex(torch.zeros(3, 4), -torch.from_numpy(VALUES).float()).conj().imag
    ),
    "bfloat16": lambda: torch.from_numpy(VALUES).bfloat16(),
    "parameter": lambda: torch.nn.Parameter(torch.from_numpy(VALUES)),
}


@pytest.mark.parametrize("make", READABLE.values(), ids=READABLE)
def test_values_are_those_of_the_container(make):
    batch = check_batch(make())
    assert type(batch) in (np.ndarray, torch.Tensor)
    as_array = batch.detach().numpy() if isinstance(batch, torch.Tensor) else batch
    np.testing.assert_array_equal(as_array, VALUES)


@pytest.mark.parametrize("make", READABLE.values(), ids=READABLE)
def test_magnitudes_are_those_of_the_plain_array(make):
    found = FourierMagnitude().fit_transform(make())
    expected = FourierMagnitude().fit_transform(VALUES)
    np.testing.assert_allclose(
        np.asarray(torch.as_tensor(found).detach()), expected, rtol=1e-5, atol=1e-5
    )


REFUSED = {
    "quantity": (lambda: VALUES.view(Quantity), TypeError, r"in units of 'nm'.*X\.value"),
    "list of quantities": (lambda: list(VALUES.view(Quantity)), TypeError, "in units of 'nm'"),
    "masked": (masked, ValueError, r"2 of 12 values masked.*X\.filled"),
    "list of masked": (lambda: list(masked()), ValueError, r"2 of 4 values masked.*X\.filled"),
    "matrix": (lambda: VALUES.view(np.matrix), TypeError, "np.matrix is not supported"),
    "record": (
        lambda: np.zeros(3, "f4, f8"),
        TypeError,
        r"several arrays \('f0', 'f1'\).*X\['f0'\]",
    ),
    "named tuple": (
        lambda: Pair(VALUES, 2 * VALUES),
        TypeError,
        r"X is a Pair that holds several arrays \('objects', 'errors'\); .* as X\.objects$",
    ),
    "dictionary": (lambda: {"data": VALUES}, TypeError, r"several arrays \('data'\).*X\['data'\]"),
    "sparse": (lambda: scipy.sparse.csr_array(VALUES), TypeError, "toarray"),
    "sparse tensor": (lambda: torch.from_numpy(VALUES).to_sparse(), TypeError, r"X\.to_dense\(\)"),
    "meta": (lambda: torch.ones(3, 4, device="meta"), ValueError, "holds no values"),
    "ragged lists": (
        lambda: [[1.0, 2.0], [3.0]],
        ValueError,
        r"different shapes, such as \(1,\) and \(2,\)",
    ),
    "ragged arrays": (
        lambda: [VALUES, VALUES[:2]],
        ValueError,
        r"different shapes, such as \(2, 4\) and \(3, 4\)",
    ),
    "ragged tensors": (lambda: [torch.ones(2), torch.ones(3)], ValueError, "different shapes"),
    "path": (lambda: "objects.npy", TypeError, "X='objects.npy' is text"),
    "nothing": (lambda: None, TypeError, "X is None; give an array of shape"),
    "data set": (
        lambda: torch.utils.data.TensorDataset(torch.ones(3, 4)),
        TypeError,
        "X is a TensorDataset; give",
    ),
    "bunch": (
        lambda: Bunch(data=VALUES, target=VALUES),
        TypeError,
        r"several arrays \('data', 'target'\)",
    ),
    "generator": (
        lambda: (row for row in VALUES),
        TypeError,
        "X is a generator; give an array of shape",
    ),
    "number": (lambda: 3.0, ValueError, r"X has shape \(\): a batch is"),
    "dates": (lambda: np.array([["2020-01-01"]], "M8[D]"), TypeError, r"type datetime64\[D\]"),
    "text": (lambda: np.array([["a"]]), ValueError, "Convert your data to numeric values"),
    "objects": (
        lambda: np.array([["a", 1]], dtype=object),
        ValueError,
        "X holds objects that are not numbers.*'a'",
    ),
    "beyond float64": (
        lambda: VALUES * np.longdouble("1e400"),
        ValueError,
        "beyond the range of float64",
    ),
    "below float64": (
        lambda: VALUES * np.longdouble("1e-400"),
        ValueError,
        "beyond the range of float64",
    ),
}


@pytest.mark.parametrize(("make", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_in_a_sentence(make, error, message):
    if "beyond" in message and np.finfo(np.longdouble).max == np.finfo(float).max:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(error, match=message):
        check_batch(make())
    with pytest.raises(error, match=message):
        FourierMagnitude().fit(make())


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "complex64"])
def test_masked_values_are_unmeasured(dtype):
    batch = check_batch(masked(VALUES.astype(dtype)), ensure_all_finite="allow-nan")
    assert np.isnan(batch).tolist() == (VALUES > 9).tolist()
    np.testing.assert_array_equal(batch[VALUES <= 9], VALUES[VALUES <= 9])


def test_masked_tensors_are_unmeasured_where_values_are_not_valid():
    with prototype_warnings():
        tensor = torch.masked.masked_tensor(torch.from_numpy(VALUES), torch.from_numpy(VALUES <= 9))
        assert check_batch(tensor, **MAGNITUDES).isnan().sum() == 2
        with pytest.raises(ValueError, match=r"2 of 12 values masked.*X\.to_tensor"):
            check_batch(tensor)


def test_nested_tensors_are_refused():
    with prototype_warnings(), pytest.raises(TypeError, match="X is a nested tensor"):
        check_batch(torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))


def test_half_precision_complex_tensors_are_widened():
    with prototype_warnings():
        halves = torch.from_numpy(VALUES + 1j).to(torch.complex32)
    assert torch.equal(check_batch(halves), torch.from_numpy(VALUES + 1j).to(torch.complex64))


def test_complex_numbers_in_an_array_of_objects_are_complex():
    batch = check_batch(np.array([[1 + 1j, 2]], dtype=object))
    assert batch.dtype == np.complex128
    assert batch.tolist() == [[1 + 1j, 2]]


def test_a_list_of_tensors_keeps_their_gradient():
    objects = torch.from_numpy(VALUES).requires_grad_()
    FourierMagnitude().fit_transform(list(objects)).sum().backward()
    assert objects.grad.abs().sum() > 0


def test_data_frames_are_read():
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(check_batch(pandas.DataFrame(VALUES)), VALUES)
    np.testing.assert_array_equal(check_batch(pandas.DataFrame(VALUES + 1j)), VALUES + 1j)
    np.testing.assert_array_equal(
        check_batch(pandas.DataFrame((VALUES + 1j).astype(object))), VALUES + 1j
    )
    holes = pandas.DataFrame({"a": pandas.array([1, None, 3], dtype="Int64")})
    np.testing.assert_array_equal(check_batch(holes, **MAGNITUDES), [[1.0], [np.nan], [3.0]])
    with pytest.raises(ValueError, match="X holds objects that are not numbers.*'dark'"):
        check_batch(pandas.DataFrame({"a": ["dark"]}))
    with pytest.raises(TypeError, match="dates or times"):
        check_batch(pandas.DataFrame({"a": pandas.to_datetime(["2020-01-01"])}))


def test_labelled_arrays_are_read():
    xarray = pytest.importorskip("xarray")
    np.testing.assert_array_equal(
        check_batch(xarray.DataArray(VALUES, dims=("sample", "x"))), VALUES
    )
    with pytest.raises(TypeError, match=r"several arrays \('objects'\)"):
        check_batch(xarray.Dataset({"objects": ("x", VALUES[0])}))


@pytest.mark.parametrize("package", ["astropy.units", "pint"])
def test_quantities_of_other_packages_are_refused_by_their_unit(package):
    units = pytest.importorskip(package)
    metre, one = (
        (units.m, units.one) if package == "astropy.units" else (units.Unit("m"), units.Unit(""))
    )
    with pytest.raises(TypeError, match=r"in units of '(m|meter)', .*, X\.(value|magnitude)"):
        check_batch(VALUES * metre)
    np.testing.assert_array_equal(check_batch(VALUES * one), VALUES)

"""Eigenvectors: against hand-made matrices and LAPACK."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcm_ref.conversion.reduction.eigen import eigenvectors


def test_two_by_two_by_hand() -> None:
    """(2 1 / 1 2) has the values 3 and 1, with the vectors (1, 1) and (1, -1) over the root of 2."""
    values, vectors = eigenvectors(np.array([[2.0, 1.0], [1.0, 2.0]]))
    np.testing.assert_allclose(values, [3, 1], rtol=1e-15)
    np.testing.assert_allclose(np.abs(vectors), np.full((2, 2), 0.5**0.5), rtol=1e-15)
    assert vectors[0, 0] * vectors[1, 0] > 0 > vectors[0, 1] * vectors[1, 1]


def test_a_diagonal_matrix_is_sorted() -> None:
    values, vectors = eigenvectors(np.diag([1.0, 5.0, 3.0]))
    assert values.tolist() == [5, 3, 1]
    assert np.abs(vectors).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_second_differences_by_formula() -> None:
    """The matrix of 2 with -1 beside it has the values 2 - 2 cos(k pi / (n + 1))."""
    size = 90
    matrix = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    values, vectors = eigenvectors(matrix)
    expected = 2 - 2 * np.cos(np.arange(size, 0, -1) * np.pi / (size + 1))
    np.testing.assert_allclose(values, expected, atol=1e-13)
    np.testing.assert_allclose(matrix @ vectors, vectors * expected, atol=1e-13)


def test_equal_values_have_orthogonal_vectors() -> None:
    """Four blocks of (2 1 / 1 2) have 3 and 1 four times each."""
    mixed = [5, 2, 7, 0, 3, 1, 6, 4]
    matrix = np.kron(np.eye(4), [[2.0, 1.0], [1.0, 2.0]])[np.ix_(mixed, mixed)]
    values, vectors = eigenvectors(matrix)
    np.testing.assert_allclose(values, [3] * 4 + [1] * 4, atol=1e-14)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_nothing_has_no_energy(size: int) -> None:
    values, vectors = eigenvectors(np.zeros((size, size)))
    assert not values.any()
    np.testing.assert_array_equal(np.abs(vectors).sum(axis=0), 1)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_values_are_lapacks(size: int, samples: int, seed: int) -> None:
    """Of every matrix of inner products, of full rank and below."""
    rows = np.random.default_rng(seed).integers(-1000, 1000, (size, samples)).astype(np.float64)
    matrix = rows @ rows.T
    values, vectors = eigenvectors(matrix)
    greatest = max(matrix.trace(), 1)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-9 * greatest)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), atol=1e-12)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-6 * greatest)

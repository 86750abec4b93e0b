"""Batched L-BFGS for smooth functions of objects under constraints."""

import torch

from ._tensors import along_samples, inner

MEMORY = 8  # number of past steps in the estimate of the curvature
TRIALS = 6  # number of step lengths to try before a sample stays where it is
SHORTER = 0.3  # factor between these step lengths
DESCENT = 1e-4  # smallest fraction of the predicted decrease to accept (Armijo)
ROUNDING = 4  # rounding error of a value, as a multiple of its precision


class QuasiNewton:
    """Projected L-BFGS, one step per call (Nocedal, 1980; Bertsekas, 1982).

    Values on a bound that a gradient step would push beyond it are kept fixed. The others move by
    the two-loop recursion. Every sample has its own step length.

    Parameters
    ----------
    evaluate : callable
        Function that returns values of shape (n_samples,) and the gradients for given objects.
    objects : torch.Tensor of shape (n_samples, *object_shape)
        Initial objects, which must satisfy the constraints.
    """

    def __init__(self, evaluate, objects):
        self.objects = objects
        self.values, self.gradients = evaluate(objects)
        self._moves, self._turns = [], []

    def kept(self, index):
        """Keep only the samples of an index, and return itself."""
        for name in ("objects", "values", "gradients"):
            setattr(self, name, getattr(self, name)[index])
        self._moves, self._turns = (
            [value[index] for value in values] for values in (self._moves, self._turns)
        )
        return self

    def step(self, evaluate, project):
        """Move every sample downhill, or leave it unchanged.

        Parameters
        ----------
        evaluate : callable
            Function of the same kind as at initialisation.
        project : callable
            Projection of objects onto the constraints, which must be convex.

        Returns
        -------
        torch.Tensor of shape (n_samples,)
            Decrease of each value.
        """
        direction, free = self._direction(project)
        slope = inner(direction, self.gradients).real
        uphill = ~(slope < 0)
        if uphill.any():
            direction = torch.where(
                along_samples(uphill, direction), -self.gradients * free, direction
            )
        length = torch.ones(
            len(direction), dtype=self.gradients.real.dtype, device=direction.device
        )
        tolerance = ROUNDING * torch.finfo(length.dtype).eps * self.values.abs()
        for _ in range(TRIALS):
            found = project(self.objects + along_samples(length, direction) * direction)
            values, gradients = evaluate(found)
            promised = inner(self.gradients, found - self.objects).real
            falls = values <= self.values + DESCENT * promised.clamp_max(0) + tolerance
            if falls.all():
                break
            length = torch.where(falls, length, SHORTER * length)
        else:
            stays = ~along_samples(falls, found)
            found = torch.where(stays, self.objects, found)
            values = torch.where(falls, values, self.values)
            gradients = torch.where(stays, self.gradients, gradients)
        self._moves = [*self._moves[1 - MEMORY :], found - self.objects]
        self._turns = [*self._turns[1 - MEMORY :], gradients - self.gradients]
        fallen = self.values - values
        self.objects, self.values, self.gradients = found, values, gradients
        return fallen

    def _direction(self, project):
        """Compute the quasi-Newton direction, and a mask of free values."""
        trial = project(self.objects - self.gradients)
        free = (trial != self.objects).to(self.objects.real.dtype)
        direction = self.gradients * free
        steps = []
        for move, turn in zip(reversed(self._moves), reversed(self._turns), strict=True):
            move, turn = move * free, turn * free
            curvature, square = inner(move, turn).real, inner(turn, turn).real
            known = curvature > 1e-10 * square
            rate = torch.where(known, 1 / torch.where(known, curvature, 1.0), 0.0)
            share = rate * inner(move, direction).real
            direction = direction - along_samples(share, turn) * turn
            steps.append((move, turn, rate, share, curvature, square))
        if steps:
            curvature, square = steps[0][4:]
            known = (curvature > 0) & (square > 0)
            size = torch.where(known, curvature / torch.where(square > 0, square, 1.0), 1.0).clamp(
                0.1, 100
            )
            direction = along_samples(size, direction) * direction
        for move, turn, rate, share, *_ in reversed(steps):
            direction = (
                direction + along_samples(share - rate * inner(turn, direction).real, move) * move
            )
        return -direction * free, free

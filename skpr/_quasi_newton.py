"""Minimisation of smooth functions of objects under constraints: L-BFGS, batched, on what is free
to move.
"""

import torch

from ._tensors import along_samples, inner

MEMORY = 8  # steps that the curvature is learned from
TRIALS = 6  # shortened steps before a sample stays where it is
SHORTER = 0.3
DESCENT = 1e-4  # of the promised decrease (Armijo)
ROUNDING = 4  # precisions of the value, that a sum cannot tell


class QuasiNewton:
    """Projected L-BFGS (Nocedal, 1980; Bertsekas, 1982), one step a call.

    Values that a bound holds, and that the gradient presses against it, do not move; the others
    move by the two-loop recursion. Every sample has a step length of its own.

    Parameters
    ----------
    evaluate : callable
        Returns values of shape (n_samples,) and gradients of objects.
    objects : torch.Tensor of shape (n_samples, *object_shape)
        Admissible.
    """

    def __init__(self, evaluate, objects):
        self.objects = objects
        self.values, self.gradients = evaluate(objects)
        self._moves, self._turns = [], []

    def kept(self, index):
        """Return itself with only the samples of an index."""
        for name in ("objects", "values", "gradients"):
            setattr(self, name, getattr(self, name)[index])
        self._moves, self._turns = (
            [value[index] for value in values] for values in (self._moves, self._turns)
        )
        return self

    def step(self, evaluate, project):
        """Move every sample downhill, or not at all; return how much each value fell.

        Parameters
        ----------
        evaluate : callable
            As at the start.
        project : callable
            Projects objects onto the constraints, which are convex.
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
        """Quasi-Newton direction, and what is free to move."""
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

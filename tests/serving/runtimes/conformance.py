"""What every model runtime must do: its tests subclass :class:`RuntimeConformance` and say how to make models."""

import gc
import threading
import weakref
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest

from melonkube.contracts.signature import Task
from melonkube.serving.runtimes.protocol import BadModel, Matrix, ModelShape, Runtime, find_runtimes

SHAPES = [
    ModelShape(Task.BINARY, 5, 1),
    ModelShape(Task.MULTICLASS, 5, 4),
    ModelShape(Task.REGRESSION, 5, 1),
]


def rows(count: int = 200, seed: int = 1) -> Matrix:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(count, 5))
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    return matrix


class RuntimeConformance(ABC):
    """The suite; every test gets a loaded model of each shape."""

    flavor: str

    @abstractmethod
    def write_model(self, folder: Path, shape: ModelShape) -> tuple[Matrix, Matrix]:
        """Write a model's files; return the raw scores and the scores that :func:`rows` must get."""

    @abstractmethod
    def damage(self, content: bytes) -> list[bytes]:
        """Return versions of a model file that must be refused."""

    @pytest.fixture
    def runtime(self) -> Runtime:
        return find_runtimes()[self.flavor]

    @pytest.fixture(params=SHAPES, ids=lambda shape: shape.task.value)
    def shape(self, request: pytest.FixtureRequest) -> ModelShape:
        shape: ModelShape = request.param
        return shape

    def test_is_found_by_its_entry_point(self, runtime: Runtime) -> None:
        assert runtime.flavor == self.flavor
        assert runtime.files

    def test_scores_as_the_library_that_trained(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        raw, scores = self.write_model(tmp_path, shape)
        model = runtime.load(tmp_path, shape)
        np.testing.assert_array_equal(model.raw(rows()), raw)
        np.testing.assert_array_equal(model.scores(rows()), scores)
        assert model.scores(rows()).shape == (200, shape.outputs)
        assert model.scores(rows()[:0]).shape == (0, shape.outputs)

    def test_one_row_scores_as_many(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        _, scores = self.write_model(tmp_path, shape)
        scorer = runtime.load(tmp_path, shape).row_scorer()
        view = np.frombuffer(scorer.row, dtype=np.float64)
        for row, expected in zip(rows(), scores, strict=True):
            view[:] = row
            assert list(scorer()) == expected.tolist()

    def test_row_scorers_do_not_share_memory(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        _, scores = self.write_model(tmp_path, shape)
        model = runtime.load(tmp_path, shape)
        first, second = model.row_scorer(), model.row_scorer()
        np.frombuffer(first.row)[:] = rows()[0]
        np.frombuffer(second.row)[:] = rows()[1]
        found = first(), second()
        assert [list(outputs) for outputs in found] == scores[:2].tolist()

    def test_any_layout_of_rows_will_do(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        _, scores = self.write_model(tmp_path, shape)
        model = runtime.load(tmp_path, shape)
        np.testing.assert_array_equal(model.scores(np.asfortranarray(rows())), scores)
        np.testing.assert_array_equal(model.scores(np.repeat(rows(), 2, axis=0)[::2]), scores)

    def test_threads_may_score_at_once(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        _, scores = self.write_model(tmp_path, shape)
        model = runtime.load(tmp_path, shape)
        barrier = threading.Barrier(4)
        wrong: list[int] = []

        def work(number: int) -> None:
            scorer = model.row_scorer()
            barrier.wait()
            for at in range(100):
                np.frombuffer(scorer.row)[:] = rows()[at]
                if list(scorer()) != scores[at].tolist() or not np.array_equal(model.scores(rows()), scores):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_a_scorer_keeps_its_model_alive(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        _, scores = self.write_model(tmp_path, shape)
        scorer = runtime.load(tmp_path, shape).row_scorer()
        gc.collect()
        np.frombuffer(scorer.row)[:] = rows()[0]
        assert list(scorer()) == scores[0].tolist()

    def test_a_model_goes_with_its_last_reference(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        self.write_model(tmp_path, shape)
        model = runtime.load(tmp_path, shape)
        gone = weakref.ref(model)
        scorer = model.row_scorer()
        del model
        del scorer
        gc.collect()
        assert gone() is None

    def test_a_model_of_another_shape_is_refused(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        self.write_model(tmp_path, shape)
        others = [ModelShape(shape.task, 4, shape.outputs), ModelShape(shape.task, 5, shape.outputs + 1)]
        others += [other for other in SHAPES if other != shape]
        for other in others:
            with pytest.raises(BadModel):
                runtime.load(tmp_path, other)

    def test_rows_of_another_width_are_refused(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        self.write_model(tmp_path, shape)
        model = runtime.load(tmp_path, shape)
        for width in (4, 6):
            with pytest.raises(ValueError, match="features"):
                model.scores(np.zeros((2, width)))

    def test_a_damaged_model_is_refused(self, runtime: Runtime, shape: ModelShape, tmp_path: Path) -> None:
        self.write_model(tmp_path, shape)
        (name,) = runtime.files
        content = (tmp_path / name).read_bytes()
        for damaged in self.damage(content):
            assert damaged != content
            (tmp_path / name).write_bytes(damaged)
            with pytest.raises(BadModel):
                runtime.load(tmp_path, shape)

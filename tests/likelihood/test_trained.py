"""A trained policy's likelihood and imitation energy on human chunks, where they are on this machine."""

from dataclasses import replace

import pytest
import torch

from benchmarks.human_chunks import HUMAN, POLICY, Chunks, auroc, human_chunks
from benchmarks.likelihood import convergence, head_of, told_apart
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.heads import Denoising
from lerobot_dp_plus.likelihood import Likelihood

pytestmark = pytest.mark.skipif(not HUMAN.exists(), reason="the human demonstrations are not on this machine")
COUNT = 100


@pytest.fixture(scope="module")
def head() -> Denoising:
    return head_of(load_policy(POLICY).policy)


@pytest.fixture(scope="module")
def data() -> Chunks:
    return human_chunks(load_policy(POLICY), COUNT, seed=11)


def test_at_the_default_twice_the_steps_change_nothing_much(head: Denoising, data: Chunks) -> None:
    found = convergence(head, data, Likelihood())
    assert found["difference_median"] < 0.05 and found["difference_median_of_signs"] <= 0.25
    assert abs(found["offset_of_signs"]) < 1 and found["deviation_of_signs"] < 0.6
    assert 24 < found["mean"] < 29 and found["deviation"] < 9


def test_where_the_network_is_no_score_the_figure_says_nothing(head: Denoising, data: Chunks) -> None:
    """Why s_min is stated beside every figure."""
    own = data.chunks["own"][:, None]
    far, near = (head.log_prob(data.condition, own, replace(Likelihood(), s_min=s_min)) for s_min in (0.1, 0.02))
    assert near.std() > 4 * far.std()


def test_the_demonstrators_chunk_is_told_from_a_foreign_one(head: Denoising, data: Chunks) -> None:
    """Also from one that was moved to start at our agent."""
    found = told_apart("log p", data, lambda chunks: head.log_prob(data.condition, chunks, Likelihood()))
    assert found["other"] > 0.98 and found["moved"] >= 0.94 and found["reversed"] > 0.95 and found["noise_10"] > 0.75
    with torch.no_grad():
        energy = told_apart("imitation", data, lambda chunks: -head.imitation(data.condition, chunks))
    assert energy["other"] > 0.98 and energy["moved"] > 0.94 and energy["noise_10"] > 0.7


def test_a_candidate_has_the_figure_that_it_has_alone(head: Denoising, data: Chunks) -> None:
    chunks = torch.stack([data.chunks["own"], data.chunks["moved"]], 1)
    together = head.log_prob(data.condition, chunks, Likelihood())
    alone = head.log_prob(data.condition, data.chunks["moved"][:, None], Likelihood())
    torch.testing.assert_close(together[:, 1:], alone, rtol=1e-3, atol=0.05)
    assert auroc(*together.unbind(1)) > 0.94

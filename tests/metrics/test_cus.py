import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.features.hue_histogram import hue_histogram
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.cus import Cus, CusGray, histogram_matches, official_rounding, user_scores
from keyframe_bench.metrics.temporal import Temporal

RED, GREEN, BLUE, CYAN, PINK = (np.eye(16, dtype=np.float32)[i] for i in (0, 5, 10, 8, 14))


def test_cus_by_hand(make_clip, summary_of, annotated):
    # Frames 0..9: R R G G B B C C P P. Summary R, G, B. User 0: R, R, G: the second R finds no free red.
    clip = make_clip(10, hue=np.repeat([RED, GREEN, BLUE, CYAN, PINK], 2, axis=0))
    result = Cus().compute(summary_of(clip, [0, 2, 4]), clip, annotated(clip, [0, 1, 3], [8]))
    assert result["cus_a"] == pytest.approx((2 / 3 + 0) / 2)
    assert result["cus_e"] == pytest.approx((1 / 3 + 3) / 2)  # user 1 chose one frame: 3 wrong ones count 3
    assert result["cus_p"] == pytest.approx((2 / 3 + 0) / 2)
    assert result["cus_p_max"] == pytest.approx(2 / 3)
    assert result["cus_r"] == result["cus_a"]
    assert result["cus_f"] == pytest.approx((2 / 3 + 0) / 2)
    assert result["cus_f_max"] == pytest.approx(2 / 3)
    assert result["cus_flat"] == 1.0


def test_mean_of_f_is_not_f_of_means(make_clip, summary_of, annotated):
    clip = make_clip(10, hue=np.repeat([RED, GREEN, BLUE, CYAN, PINK], 2, axis=0))
    result = Cus().compute(summary_of(clip, [0, 2, 4, 6]), clip, annotated(clip, [0], [0, 2, 4, 6]))
    assert result["cus_f"] == pytest.approx((2 / 5 + 1) / 2)
    p, r = result["cus_p"], result["cus_r"]
    assert result["cus_f"] != pytest.approx(2 * p * r / (p + r), abs=1e-3)


@pytest.mark.parametrize(("moved", "matches"), [(0.2499, 1), (0.25, 0)])
def test_the_limit_is_strict(make_clip, summary_of, annotated, moved, matches):
    # Moving a share s of the pixels to another bin is an L1 distance of 2 s.
    clip = make_clip(2, hue=[RED, (1 - moved) * RED + moved * BLUE])
    assert Cus().compute(summary_of(clip, [0]), clip, annotated(clip, [1]))["cus_a"] == matches


@pytest.mark.parametrize("pixels", [4800, 84480])
def test_rounding_of_histograms_does_not_move_the_limit(pixels):
    for k in range(1, 200):
        for moved, matches in ((pixels // 4, 0), (pixels // 4 - 1, 1)):
            counts = np.array([[k, pixels - k], [k + moved, pixels - k - moved]])
            rows = (counts / pixels).astype(np.float32)
            assert histogram_matches(rows[:1], rows[1:], [1])[0] == matches


def test_order_of_the_user_decides_in_greedy_but_not_in_the_optimal_matching(make_clip, summary_of, annotated):
    middle = 0.8 * RED + 0.2 * BLUE
    far = 0.6 * RED + 0.4 * BLUE
    # Key frames: red, middle. User: middle takes red (the first that is near), far then finds middle; both match. The
    # other way round, far takes middle and middle takes red.
    clip = make_clip(6, hue=[RED, middle, middle, far, GREEN, RED])
    both = Cus().compute(summary_of(clip, [0, 1]), clip, annotated(clip, [2, 3]))
    assert both["cus_a"] == both["cus_a_optimal"] == 1.0
    # Key frames: middle, red. User: red takes middle, far is left over though red would do for red.
    clip = make_clip(6, hue=[middle, RED, RED, far, GREEN, GREEN])
    greedy = Cus().compute(summary_of(clip, [0, 1]), clip, annotated(clip, [2, 3]))
    assert (greedy["cus_a"], greedy["cus_e"]) == (0.5, 0.5)
    assert (greedy["cus_a_optimal"], greedy["cus_e_optimal"], greedy["cus_f_optimal"]) == (1.0, 0.0, 1.0)


@pytest.mark.parametrize("metric", [Cus(), CusGray(), Temporal()], ids=lambda metric: metric.name)
@pytest.mark.parametrize("chosen", [[], [1, 2, 3]], ids=["no key frame", "key frames"])
def test_users_who_chose_nothing_do_not_count(make_clip, summary_of, annotated, metric, chosen):
    clip = make_clip(9)
    summary = summary_of(clip, chosen)
    alone = metric.compute(summary, clip, annotated(clip, [1, 5], [7]))
    assert metric.compute(summary, clip, annotated(clip, [], [1, 5], [], [7], [])) == alone
    assert not metric.applies(annotated(clip, [], []))  # nobody to agree with: no number
    counts = Metric.registry.build("annotators").compute(summary, clip, annotated(clip, [], [1, 5], [], [7], []))
    assert counts == {"n_users": 2, "n_users_empty": 3}
    assert np.isfinite(list(metric.compute(summary, clip, annotated(clip, [])).values())).all()


def test_an_empty_summary_agrees_with_nobody(make_clip, summary_of, annotated):
    clip = make_clip(9)
    for metric in (Cus(), CusGray()):
        nothing_given = metric.compute(summary_of(clip, []), clip, annotated(clip, [1]))
        assert [nothing_given[n + metric.suffix] for n in ("cus_a", "cus_e", "cus_p", "cus_f")] == [0, 0, 0, 0]


def test_the_bound_of_f_depends_on_the_numbers_of_key_frames_only(make_clip, summary_of, annotated):
    clip = make_clip(12, hue=[RED] * 12)  # all alike: every matching is complete
    users = annotated(clip, [1, 2, 3, 4], [5], [])
    for k in (1, 2, 4, 8):
        found = Cus().compute(summary_of(clip, range(k)), clip, users)
        bound = (2 * min(k, 4) / (k + 4) + 2 * min(k, 1) / (k + 1)) / 2
        assert found["cus_f_bound"] == pytest.approx(bound)
        assert found["cus_f"] == pytest.approx(bound)


def test_gray_variant_tells_pictures_without_colour_apart(make_clip, summary_of, annotated):
    gray = np.stack([np.full((18, 32), level, np.uint8) for level in (15, 16, 0, 255)])
    clip = make_clip(4, gray=gray)
    annotation = annotated(clip, [1, 2])
    summary = summary_of(clip, [0, 3])
    colour, grey = Cus().compute(summary, clip, annotation), CusGray().compute(summary, clip, annotation)
    assert (colour["cus_a"], colour["cus_flat"]) == (1.0, 1.0)  # everything matches everything: the column says so
    assert (grey["cus_a_gray"], grey["cus_e_gray"]) == (0.5, 0.5)  # 15 and 0 share a bin, 16 is in the next


@st.composite
def cases(draw):
    hue = draw(st.lists(st.integers(0, 3), min_size=12, max_size=12))
    subset = st.sets(st.integers(0, 11), max_size=5).map(sorted)
    return hue, draw(subset), draw(st.lists(subset, min_size=1, max_size=4).filter(any))


@given(cases())
@settings(max_examples=80, deadline=None)
def test_cus_agrees_with_the_definition_and_keeps_its_bounds(make_clip, summary_of, annotated, case):
    hue, chosen, users = case
    # Steps of 0.2 of the pixels: L1 0.4 between neighbours (near), 0.8 between the next (far).
    clip = make_clip(12, hue=[(1 - 0.2 * h) * RED + 0.2 * h * BLUE for h in hue])
    result = Cus().compute(summary_of(clip, chosen), clip, annotated(clip, *users))
    a, e, f, most = [], [], [], []
    for user in filter(None, users):
        free, m = list(chosen), 0
        for u in user:
            taken = next((k for k in free if abs(hue[k] - hue[u]) <= 1), None)
            if taken is not None:
                free.remove(taken)
                m += 1
        a.append(m / len(user))
        e.append((len(chosen) - m) / len(user))
        f.append(2 * m / (len(chosen) + len(user)))
        orders = itertools.permutations(user)
        most.append(max(_count(hue, order, chosen) for order in orders) / len(user))
    assert [result["cus_a"], result["cus_e"], result["cus_f"]] == pytest.approx(np.mean([a, e, f], axis=1), abs=1e-6)
    assert result["cus_f_max"] == pytest.approx(max(f), abs=1e-6)
    assert result["cus_a_optimal"] == pytest.approx(np.mean(most), abs=1e-6)
    assert 0 <= result["cus_a"] <= result["cus_a_optimal"] <= 1
    assert result["cus_f"] <= result["cus_f_optimal"] <= result["cus_f_bound"] + 1e-12
    assert result["cus_e_optimal"] <= result["cus_e"]
    turned = Cus().compute(summary_of(clip, chosen), clip, annotated(clip, *users[::-1]))
    assert turned == pytest.approx(result)


def _count(hue, order, chosen):
    """Most matches when every user frame in turn may take any free key frame."""
    if not order:
        return 0
    near = [k for k in chosen if abs(hue[k] - hue[order[0]]) <= 1]
    taking = [1 + _count(hue, order[1:], [c for c in chosen if c != k]) for k in near]
    return max([_count(hue, order[1:], chosen), *taking])


def test_the_same_frames_agree_completely(make_clip, summary_of, annotated):
    rng = np.random.default_rng(0)
    clip = make_clip(40, hue=rng.dirichlet(np.ones(16), 40))
    same = [3, 8, 20, 39]
    result = Cus().compute(summary_of(clip, same), clip, annotated(clip, same, same))
    assert (result["cus_a"], result["cus_e"], result["cus_f"]) == (1, 0, 1)


def test_rounding_of_the_official_tool():
    assert official_rounding([0.17, 0.20]) == 0.18  # .185 to the even digit
    assert official_rounding([1.0, 0.75, 1.0, 1.0, 1.0]) == 0.95
    assert official_rounding([0, 0.25, 1 / 3, 1 / 3, 1]) == 0.38
    assert official_rounding([2 / 3] * 3) == 0.67


@pytest.mark.data
def test_official_example_is_reproduced(data_root):
    import cv2

    root = data_root / "vsumm" / "cus_example"
    expected, folders = _read_example(root)

    def histograms(folder):
        files = sorted(folder.glob("*.jpeg"), key=lambda f: int(re.sub(r"\D", "", f.stem)))
        pictures = [cv2.cvtColor(cv2.imread(str(f)), cv2.COLOR_BGR2RGB) for f in files]
        return hue_histogram(np.stack(pictures))

    pairs = 0
    means = {"VSUMM1": [], "VSUMM2": []}
    for video, names in folders.items():
        users = [histograms(root / video / name) for name in names if name.startswith("user")]
        sizes = [len(u) for u in users]
        for approach, name in enumerate(means, start=1):
            summary = histograms(root / video / name)
            scores = user_scores(histogram_matches(summary, np.concatenate(users), sizes), len(summary), sizes)
            for user, got in enumerate(zip(scores.cus_a, scores.cus_e, strict=True), start=1):
                assert tuple(round(x, 2) for x in got) == expected[video, f"UserSummary{user}_Approach{approach}"]
                pairs += 1
            mean = (official_rounding(scores.cus_a), official_rounding(scores.cus_e))
            assert mean == expected[video, f"Approach{approach}"]
            means[name].append(mean)
    assert pairs == 20
    assert [official_rounding(x) for x in zip(*means["VSUMM1"], strict=True)] == [0.95, 0.44]
    assert [official_rounding(x) for x in zip(*means["VSUMM2"], strict=True)] == [0.80, 0.18]


def _read_example(root):
    """Printed CUS by (video, line), and the folders of each video in the tool's order."""
    expected, video = {}, ""
    for line in (root / "output.txt").read_text().splitlines():
        if found := re.match(r"## VideoName : (\w+)", line):
            video = found[1]
        elif found := re.match(r"(\w+) -> CUSa = ([\d.]+) CUSe = ([\d.]+)", line):
            expected[video, found[1]] = (float(found[2]), float(found[3]))
    folders = {}
    for line in (root / "input.txt").read_text().split():
        name, _, folder = line.partition("\\")
        folders.setdefault(name, [])
        folders[name] += [folder] if folder else []
    return expected, folders

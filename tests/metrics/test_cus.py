import re
from fractions import Fraction

import numpy as np
import pytest

from keyframe_bench.features.histograms import hue_histogram

RED, GREEN, BLUE, CYAN, PINK = (np.eye(16, dtype=np.float32)[i] for i in (0, 5, 10, 8, 14))


MIDDLE, FAR = 0.8 * RED + 0.2 * BLUE, 0.6 * RED + 0.4 * BLUE
TWICE = [RED, RED, GREEN, GREEN, BLUE, BLUE, CYAN, CYAN, PINK, PINK]


@pytest.mark.parametrize(
    ("hue", "chosen", "users", "expected"),
    [
        # Summary R, G, B. User 0: R, R, G: the second R finds no free red. User 1: 3 wrong ones for one frame.
        (TWICE, [0, 2, 4], [[0, 1, 3], [8]], {"cus_a": 1 / 3, "cus_e": (1 / 3 + 3) / 2, "cus_p": 1 / 3}),
        (TWICE, [0, 2, 4], [[0, 1, 3], [8]], {"cus_f": 1 / 3, "cus_f_max": 2 / 3, "cus_p_max": 2 / 3, "cus_flat": 1}),
        # Mean of F, not F of means.
        (TWICE, [0, 2, 4, 6], [[0], [0, 2, 4, 6]], {"cus_f": (2 / 5 + 1) / 2, "cus_p": 5 / 8, "cus_r": 1}),
        (TWICE, [1, 3, 9], [[1, 3, 9], [1, 3, 9]], {"cus_a": 1, "cus_e": 0, "cus_f": 1}),
        # Moving a share s of the pixels to another bin is an L1 distance of 2 s: the threshold is strict.
        ([RED, 0.7501 * RED + 0.2499 * BLUE], [0], [[1]], {"cus_a": 1}),
        ([RED, 0.75 * RED + 0.25 * BLUE], [0], [[1]], {"cus_a": 0}),
        # Key frames: red, middle. User: middle takes red (the first that is near), far then finds middle; both match.
        ([RED, MIDDLE, MIDDLE, FAR], [0, 1], [[2, 3]], {"cus_a": 1, "cus_a_optimal": 1}),
        # Key frames: middle, red. User: red takes middle, far is left over though red would do for red.
        ([MIDDLE, RED, RED, FAR], [0, 1], [[2, 3]], {"cus_a": 0.5, "cus_e": 0.5, "cus_a_optimal": 1}),
        ([MIDDLE, RED, RED, FAR], [0, 1], [[2, 3]], {"cus_e_optimal": 0, "cus_f_optimal": 1}),
    ],
)
def test_by_hand(make_clip, score, annotated, hue, chosen, users, expected):
    clip = make_clip(len(hue), hue=hue)
    result = score("cus", clip, chosen, annotated(clip, *users))
    assert {name: result[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("pixels", [4800, 84480])
def test_rounding_of_histograms_does_not_move_the_limit(make_clip, score, annotated, pixels):
    for k in range(1, 200, 3):
        for moved, matched in ((pixels // 4, 0), (pixels // 4 - 1, 1)):
            hue = np.array([[k, pixels - k], [k + moved, pixels - k - moved]]) @ np.eye(2, 16) / pixels
            clip = make_clip(2, hue=hue)
            assert score("cus", clip, [0], annotated(clip, [1]))["cus_a"] == matched


@pytest.mark.parametrize("name", ["cus", "cus_gray", "temporal"])
@pytest.mark.parametrize("chosen", [[], [1, 2, 3]], ids=["no key frame", "key frames"])
def test_users_who_chose_nothing_do_not_count(make_clip, score, annotated, name, chosen):
    clip = make_clip(9)
    alone = score(name, clip, chosen, annotated(clip, [1, 5], [7]))
    assert score(name, clip, chosen, annotated(clip, [], [1, 5], [], [7], [])) == alone
    counts = score("annotators", clip, chosen, annotated(clip, [], [1, 5], [], [7], []))
    assert counts == {"n_users": 2, "n_users_empty": 3}
    assert np.isfinite(list(score(name, clip, chosen, annotated(clip, [])).values())).all()
    agreement = ("cus_a", "cus_e", "cus_p", "cus_f", "cus_a_gray", "cus_f_gray", "f1_1s", "p_5s")
    assert chosen or not any(value for column, value in alone.items() if column in agreement)


def test_the_bound_of_f_depends_on_the_numbers_of_key_frames_only(make_clip, score, annotated):
    clip = make_clip(12, hue=[RED] * 12)  # all alike: every matching is complete
    users = annotated(clip, [1, 2, 3, 4], [5], [])
    for k in (1, 2, 4, 8):
        found = score("cus", clip, range(k), users)
        bound = (2 * min(k, 4) / (k + 4) + 2 * min(k, 1) / (k + 1)) / 2
        assert found["cus_f_bound"] == pytest.approx(bound)
        assert found["cus_f"] == pytest.approx(bound)


def test_gray_variant_tells_pictures_without_colour_apart(make_clip, score, annotated):
    gray = np.stack([np.full((18, 32), level, np.uint8) for level in (15, 16, 0, 255)])
    clip = make_clip(4, gray=gray)
    annotation = annotated(clip, [1, 2])
    colour, grey = (score(name, clip, [0, 3], annotation) for name in ("cus", "cus_gray"))
    assert (colour["cus_a"], colour["cus_flat"]) == (1.0, 1.0)  # everything matches everything: the column says so
    assert (grey["cus_a_gray"], grey["cus_e_gray"]) == (0.5, 0.5)  # 15 and 0 share a bin, 16 is in the next


def official_rounding(values):
    """The mean as the authors' tool prints it: two decimals at every level, halves to the even digit."""
    hundredths = [round(100 * value) for value in values]
    return round(Fraction(sum(hundredths), len(hundredths))) / 100


@pytest.mark.data
def test_official_example_is_reproduced(make_clip, score, annotated, data_root):
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
        for approach, name in enumerate(means, start=1):
            summary, found = histograms(root / video / name), []
            for number, user in enumerate(users, start=1):
                clip = make_clip(len(summary) + len(user), hue=np.concatenate([summary, user]))
                numbers = score("cus", clip, range(len(summary)), annotated(clip, range(len(summary), len(clip))))
                found.append((numbers["cus_a"], numbers["cus_e"]))
                printed = expected[video, f"UserSummary{number}_Approach{approach}"]
                assert tuple(round(x, 2) for x in found[-1]) == printed
                pairs += 1
            mean = tuple(official_rounding(values) for values in zip(*found, strict=True))
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

"""`vsumm_ovp` and `vsumm_youtube`: lists and images of user summaries, both time bases, the published split."""

from __future__ import annotations

import csv
import re
import shutil

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from keyframe_bench import Dataset, UsageError
from keyframe_bench.core.grammar import Split
from keyframe_bench.training.splits import folds_of
from keyframe_bench.video.onepass import read_pass


def put(root, *names, text="x"):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def build(name, root, **params):
    return Dataset.registry.build(name, {"root": str(root), **params})


def chosen(dataset, video):
    """Numbers by user: ordinals, or times where there are no ordinals."""
    users = dataset.published()[video].annotation.users
    return {user.name: (user.times if user.frames is None else user.frames).tolist() for user in users}


def test_lists_and_images_give_the_same(tmp_path):
    put(tmp_path / "lists", "v21.csv", text="31,1,31\n\n 61 \n")
    images = [f"UserSummary/v21/user{user}/Frame{n}.jpeg" for user, n in ((1, 1), (1, 31), (3, 61))]
    put(
        tmp_path / "images",
        *images,
        "UserSummary/v21/user2/notes.txt",
        "VSUMM1/v21/Frame5.jpeg",
        "v21/VSUMM1/Frame7.jpeg",
    )
    expected = {"user1": [0, 30], "user2": [], "user3": [60]}
    assert chosen(build("vsumm_ovp", tmp_path / "lists"), "v21") == expected
    assert chosen(build("vsumm_ovp", tmp_path / "images"), "v21") == expected
    table = np.empty((1, 4), dtype=object)
    table[0] = ["v21", np.array([[1], [31]]), np.empty((0, 1)), np.array([[61]])]
    savemat(tmp_path / "t.mat", {"gtLabels": table})
    assert chosen(build("vsumm_ovp", tmp_path / "lists", annotations=str(tmp_path / "t.mat")), "v21") == expected


def test_summaries_by_the_second_and_by_the_frame(tmp_path):
    put(tmp_path, "a/v11.csv", "a/v71.csv", text="1,26\n")
    data = build("vsumm_youtube", tmp_path)
    (cartoon,), (other,) = (data.published()[name].annotation.users for name in ("v11", "v71"))
    assert cartoon.frames.tolist() == [0, 25] and cartoon.times is None
    assert other.times.tolist() == [0, 25] and other.frames is None


def test_samples_by_the_second_are_aligned_with_the_video(tmp_path, rendered):
    put(tmp_path, "v96.csv", text="1,2,4\n1,5\n")
    (tmp_path / "v96.mp4").write_bytes((rendered / "mixed.mp4").read_bytes())  # 4 s at 10 frames per second
    (item,) = build("vsumm_youtube", tmp_path).videos()
    aligned = item.annotation.aligned(read_pass(item.path, {"every": ()}).times, item.id)
    assert [user.frames.tolist() for user in aligned.users] == [[0, 10, 30], [0, 39]]  # 4 s is the end
    put(tmp_path, "v96.csv", text="1,6\n")
    (problem,) = (line for line in build("vsumm_youtube", tmp_path).verify() if line.startswith("v96"))
    assert "5 s" in problem


def test_the_subset_without_cartoons_has_the_published_split(tmp_path):
    put(tmp_path, *(f"v{i}.avi" for i in (*range(11, 21), *range(71, 111))))
    whole, subset = build("vsumm_youtube", tmp_path), build("vsumm_youtube", tmp_path, cartoons=False)
    assert len(whole.videos()) == 50 and {item.part for item in whole.videos()} == {""}
    (fold,) = folds_of(Split.parse("given"), subset.videos())
    assert len(fold.train) == 35 and set(fold.test) == {"v95", "v96", "v97", "v98", "v99"}
    assert (whole.usual_split, subset.usual_split) == ("videos:0.8", "given")
    (fold,) = folds_of(Split.parse("given"), build("vsumm_youtube", tmp_path, cartoons=False, fifth=82).videos())
    assert set(fold.test) == {"v82", "v95", "v97", "v98", "v99"}
    assert subset.caption == "vsumm_youtube without cartoons" and whole.caption == "vsumm_youtube"
    with pytest.raises(UsageError, match="fifth="):
        build("vsumm_youtube", tmp_path, cartoons=False, fifth=97).videos()


def test_absent_videos_of_the_split(tmp_path):
    put(tmp_path, "v71.avi", "v95.avi")
    (fold,) = folds_of(Split.parse("given"), build("vsumm_youtube", tmp_path, cartoons=False).videos())
    assert (fold.train, fold.test) == (("v71",), ("v95",))
    (tmp_path / "v95.avi").unlink()
    with pytest.raises(UsageError, match=r"split=given: .*absent"):
        folds_of(Split.parse("given"), build("vsumm_youtube", tmp_path, cartoons=False).videos())


@pytest.mark.parametrize("text", ["1,two\n", "1\n0,5\n", "3.5\n", "-2\n"])
def test_numbers_that_are_none(tmp_path, text):
    put(tmp_path, "v21.mpg", "v21.csv")
    put(tmp_path, "v21.csv", text=text)
    with pytest.raises(UsageError, match=r"v21\.csv.*line \d: .*not a frame number"):
        build("vsumm_ovp", tmp_path).videos()


def test_an_image_numbered_from_zero(tmp_path):
    put(tmp_path, "v21.mpg", "v21/user1/Frame0.jpeg")
    with pytest.raises(UsageError, match=r"user1.*'0' is not a frame number, counted from 1"):
        build("vsumm_ovp", tmp_path).videos()


def test_folders_of_frames_have_the_published_rate(tmp_path):
    put(tmp_path, "database/v21/1.jpg", "database/v21/2.jpg")
    (item,) = build("vsumm_ovp", tmp_path).videos()
    assert item.path.fps == 30 and item.path.path == tmp_path / "database/v21"


def test_verify_gives_titles_and_lengths(tmp_path, video):
    put(tmp_path, "v21.csv", text="1\n")
    (tmp_path / "v21.mpg").write_bytes(video.read_bytes())
    lines = build("vsumm_ovp", tmp_path).verify()
    assert "v70: the video is absent (Drift Ice as a Geologic Agent, segment 10)" in lines
    assert lines[-1].startswith("v21: ") and "3279 frames" in lines[-1] and len(lines) == 49 + 49 + 1
    (item,) = build("vsumm_ovp", tmp_path).videos()
    with pytest.raises(UsageError, match=r"3279 frames.* 30"):  # a run refuses it too
        item.annotation.aligned(read_pass(item.path, {"every": ()}).times, item.id)


@pytest.mark.data
def test_the_real_lists_of_open_video(data_root):
    data = build("vsumm_ovp", data_root / "vsumm/open_video_user_frames")
    known = data.published()
    page = (data_root / "vsumm/video_list.md").read_text("utf-8")
    rows = re.findall(r"^\[(v\d+)\].*?\| (.+?) \| ([\d,]+) \| (\d):(\d\d)", page, re.M)
    assert list(known) == [row[0] for row in rows] and len(known) == 50
    for name, title, n_frames, minutes, seconds in rows:
        count, about = int(n_frames.replace(",", "")), known[name]
        assert about.title == title
        contradicted = abs(count / 29.97 - 60 * int(minutes) - int(seconds)) > 2
        assert about.n_frames == (0 if contradicted else count)
        with (data_root / f"vsumm/open_video_user_frames/{name}.csv").open() as file:
            raw = [sorted({int(n) - 1 for n in row}) for row in csv.reader(file)]
        assert list(chosen(data, name).values()) == raw and len(raw) == 5
        assert max(map(max, raw)) < count


@pytest.mark.data
def test_the_real_table_of_youtube(data_root):
    file = data_root / "vsumm/youtube_user_frames.mat"
    data = build("vsumm_youtube", data_root / "vsumm", annotations=str(file))
    known = data.published()
    for name, *lists in loadmat(file)["gtLabels"]:
        users = known[name.item()].annotation.users
        assert len(users) == 5
        for user, numbers in zip(users, lists, strict=True):
            expected = sorted(set(numbers.ravel().astype(int).tolist()))
            if int(name.item()[1:]) <= 20:
                assert user.frames.tolist() == [n - 1 for n in expected]
            else:
                assert user.times.tolist() == [float(n - 1) for n in expected]


@pytest.mark.data
def test_the_real_images_are_read_as_lists(data_root, tmp_path):
    """The example of the archive, under the name of one of its films."""
    for number in (1, 2):
        shutil.copytree(data_root / f"vsumm/cus_example/video{number}", tmp_path / f"v{20 + number}")
    data = build("vsumm_ovp", tmp_path)
    assert chosen(data, "v22")["user1"] == [1230, 1500, 3120] and len(chosen(data, "v21")) == 5

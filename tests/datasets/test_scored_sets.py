"""`summe` and `tvsum`: what the published files say, read independently here, and what is wrong in damaged ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from keyframe_bench import Dataset, UsageError
from keyframe_bench.video.onepass import read_pass


def put(path, data=b"not decoded here"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def users(dataset, name):
    return dataset.published()[name].annotation.users


def summe(root, scores, name="Jumps", **params):
    (root / "GT").mkdir(parents=True, exist_ok=True)
    savemat(root / "GT" / f"{name}.mat", {"user_score": np.array(scores, np.uint8), "FPS": 25.0})
    return Dataset.registry.build("summe", {"root": str(root), **params})


def tvsum(root, name, scores, seconds):
    """A file laid out as MATLAB 7.3 does: cells are references."""
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    fields = {"video": [[ord(c)] for c in name], "title": [[84]], "user_anno": scores}
    fields |= {"nframes": [[len(scores[0])]], "length": [[seconds]]}
    with h5py.File(root / "ydata-tvsum50.mat", "w") as file:
        table = file.create_group("tvsum50")
        for field, value in fields.items():
            cell = file.create_dataset(
                f"#refs#/{field}", data=np.array(value, dtype=float if field[0] != "v" else "u2")
            )
            table[field] = np.array([[cell.ref]], dtype=h5py.ref_dtype)
        file["tvsum50/title"][...] = [[file.create_dataset("#refs#/t", data=np.array([[84]], "u2")).ref]]
    return Dataset.registry.build("tvsum", {"root": str(root)})


def test_segments_give_key_frames_in_their_middle(tmp_path):
    columns = [[0, 1, 1, 1, 2, 2, 0, 0], [0] * 8, [1] * 8, [3, 0, 0, 0, 0, 0, 0, 2]]
    chosen = users(summe(tmp_path, np.transpose(columns)), "Jumps")
    assert [user.frames.tolist() for user in chosen] == [[2, 4], [], [3], [0, 7]]
    assert [user.importance.tolist() for user in chosen] == [[float(x > 0) for x in column] for column in columns]
    assert [user.name for user in chosen] == ["user1", "user2", "user3", "user4"]
    (only,) = users(summe(tmp_path, [[1]]), "Jumps")  # a video of one frame
    assert only.frames.tolist() == [0]


def test_files_and_folders_of_frames_are_found_by_name_anywhere(tmp_path):
    data = summe(tmp_path, np.ones((4, 1)), "Base jumping")
    for name in ("videos/Base jumping.mp4", "x/Base jumping.webm", "x/other.mp4", "Jumps/1.jpg", "Jumps/2.jpg"):
        put(tmp_path / name)
    put(tmp_path / "x/Base jumping/1.jpg")
    base, jumps = data.videos()
    assert (base.id, base.path.name, jumps.id) == ("Base jumping", "Base jumping.mp4", "Jumps")
    assert base.annotation.tolerance == 0.01 and jumps.annotation is None
    assert (jumps.path.path, jumps.path.fps) == (tmp_path / "Jumps", None)
    summe(tmp_path, np.ones((2, 1)))
    assert data.videos()[1].path.fps == 25
    assert summe(tmp_path, np.ones((2, 1)), fps=5.0).videos()[1].path.fps == 5
    assert data.caption == "2 of the 25 videos of summe"


def test_annotations_may_lie_elsewhere(tmp_path):
    put(tmp_path / "videos/Jumps.mp4")
    summe(tmp_path / "archive", np.ones((4, 2)))
    given = {"root": str(tmp_path / "videos"), "annotations": str(tmp_path / "archive")}
    (item,) = Dataset.registry.build("summe", given).videos()
    assert len(item.annotation.users) == 2
    with pytest.raises(UsageError, match=r"annotations=.*nowhere.*do not exist"):
        Dataset.registry.build("summe", {**given, "annotations": "nowhere"}).videos()
    with pytest.raises(UsageError, match=r"annotations=.*list\.txt.*none of its videos"):
        Dataset.registry.build("summe", {**given, "annotations": str(put(tmp_path / "list.txt"))}).videos()


@pytest.mark.parametrize("name", ["summe", "tvsum"])
def test_nothing_there_names_layout_and_page(tmp_path, name):
    data = Dataset.registry.build(name, {"root": str(tmp_path)})
    with pytest.raises(UsageError) as caught:
        data.videos()
    assert data.verify() == [str(caught.value)] and data.layout in str(caught.value) and data.page in str(caught.value)
    with pytest.raises(UsageError, match="needs the folder of its videos"):
        Dataset.registry.build(name).videos()


def test_damaged_annotations_are_named(tmp_path):
    put(tmp_path / "videos/Jumps.mp4")
    bad = [put(tmp_path / "GT/Jumps.mat", b"MATLAB 5.0 MAT-file, but cut"), put(tmp_path / "m/ydata-tvsum50.mat")]
    for name, file in zip(("summe", "tvsum"), bad, strict=True):
        with pytest.raises(UsageError, match=f"{file.name}.* cannot be read"):
            Dataset.registry.build(name, {"root": str(tmp_path)}).videos()
    savemat(bad[0], {"other": 1})
    with pytest.raises(UsageError, match=r"Jumps.mat.* cannot be read.*not laid out as expected.*user_score"):
        Dataset.registry.build("summe", {"root": str(tmp_path)}).videos()


def test_revision_follows_annotations(tmp_path):
    put(tmp_path / "Jumps.mp4")
    seen = [summe(tmp_path, [[0], [1], [x]]).revision() for x in (0, 1, 1)]
    assert seen[0] != seen[1] == seen[2]


def test_verify_names_what_is_absent_and_what_does_not_fit(tmp_path, video):
    data = summe(tmp_path, np.ones((30, 1)))
    put(tmp_path / "videos/Jumps.mp4", video.read_bytes())
    lines = data.verify()
    assert (
        len(lines) == 24 + 24 and "Scuba: the video is absent" in lines and "Scuba: the annotation is absent" in lines
    )
    assert not [line for line in lines if line.startswith("Jumps")]
    (wrong,) = (line for line in summe(tmp_path, np.ones((29, 1))).verify() if line.startswith("Jumps"))
    assert "29 frames" in wrong and "30" in wrong  # beyond 1 %
    put(tmp_path / "videos/Jumps.mp4")
    (broken,) = (line for line in data.verify() if line.startswith("Jumps"))
    assert "cannot read video" in broken


def test_two_second_units_with_the_highest_scores(tmp_path):
    n_units = 20  # three of them are 15 %
    scores = np.ones((4, n_units))
    scores[0, [4, 9, 17]] = 5
    scores[1, 12:] = 3  # ties: the earlier
    scores[2, 19], scores[2, 0] = 4, 2
    frames = np.repeat(scores, 10, axis=1)[:, :-5]  # 5 frames per second; the last unit is cut short
    chosen = users(tvsum(tmp_path, "an-id_1", frames, 39.0), "an-id_1")
    assert [user.frames.tolist() for user in chosen] == [[44, 94, 174], [124, 134, 144], [4, 14, 192], [4, 14, 24]]
    assert all((user.importance == row).all() for user, row in zip(chosen, frames, strict=True))
    about = Dataset.registry.build("tvsum", {"root": str(tmp_path)}).published()["an-id_1"]
    assert (about.n_frames, about.fps, about.title) == (195, 5.0, "T")


@pytest.mark.data
def test_the_real_files_of_summe(data_root):
    known = Dataset.registry.build("summe", {"root": str(data_root / "summe")}).published()
    files = sorted((data_root / "summe/GT").glob("*.mat"))
    assert len(known) == 25 and [n for n, about in known.items() if about.annotation is None] == ["paluma_jump"]
    for file in files:
        raw, about = loadmat(file), known[file.stem]
        assert about.n_frames == raw["nFrames"].item() and about.fps == raw["FPS"].item()
        for user, segments, column in zip(about.annotation.users, raw["segments"][0], raw["user_score"].T, strict=True):
            assert len(user) == len(set(column.tolist()) - {0}) <= len(segments)
            assert np.array_equal(user.importance > 0, column > 0) and (column[user.frames] > 0).all()
            seconds = user.frames / about.fps  # each lies in a segment of the annotator's own list, in seconds
            assert all(((segments[:, 0] <= t + 0.2) & (t - 0.2 <= segments[:, 1])).any() for t in seconds)


@pytest.mark.data
def test_the_real_file_of_tvsum(data_root):
    import h5py

    known = Dataset.registry.build("tvsum", {"root": str(data_root / "tvsum")}).published()
    assert len(known) == 50 and known["98MoyGZKHXc"].title.startswith("How to use a tyre repair kit")
    with h5py.File(data_root / "tvsum/ydata-tvsum50.mat") as file:
        cells = [[file[ref] for ref in file["tvsum50"][name][:, 0]] for name in ("user_anno", "gt_score")]
        for about, scores, mean in zip(known.values(), *cells, strict=True):
            rows = np.array([user.importance for user in about.annotation.users])
            assert np.array_equal(rows, scores[:]) and about.n_frames == scores.shape[1]
            assert np.corrcoef(rows.mean(axis=0), mean[0])[0, 1] > 0.99
            n_units = np.ceil(about.n_frames / about.fps / 2)
            for user in about.annotation.users:
                assert len(user) == int(0.15 * n_units)
                # No frame away from a unit's border outscores a chosen unit by more than rank allows.
                assert (user.importance > user.importance[user.frames].min()).mean() <= 0.15 + 1 / n_units
                assert min(np.diff(user.frames)) >= about.fps - 2  # the last unit is cut short


@pytest.mark.data
def test_playing_ball_is_aligned_with_its_sixteen_users(data_root):
    (item,) = Dataset.registry.build("summe", {"root": str(data_root / "summe")}).videos()
    done = read_pass(item.path, {"every": ()})
    aligned = item.annotation.aligned(done.times, item.id)
    assert len(done.times) == 3120 == len(aligned.users[0].importance) and len(aligned.users) == 16
    raw = loadmat(data_root / "summe/GT/playing_ball.mat")["user_score"]
    for user, column in zip(aligned.users, raw.T, strict=True):
        assert len(user) == len(set(column.tolist()) - {0}) and np.array_equal(user.times, done.times[user.frames])


@pytest.mark.data
@pytest.mark.slow  # decodes 3120 frames
def test_a_run_on_the_real_video(data_root, tmp_path, cli, cells):
    options = ("extractors=[uniform,oracle]", "budget=8", "split=temporal:0.8", "seeds=[0]")
    status, out, _ = cli("run", "dataset=summe", f"dataset.root={data_root / 'summe'}", *options, f"out={tmp_path}")
    assert status == 0 and "summe, later part (temporal:0.8)" in out
    f1 = {cell["extractor"]: cell["metrics"]["f1_1s"] for cell in cells(tmp_path).values()}
    assert f1["oracle"] >= f1["uniform"] > 0

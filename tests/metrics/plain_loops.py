"""Every number of every metric as plain loops, written from the definitions alone."""

import math
from itertools import pairwise
from statistics import fmean, median

import numpy as np
from scipy.optimize import linear_sum_assignment

from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.distances import GRAY, HUE

TAUS = {"0_5s": 0.5, "1s": 1.0, "2s": 2.0, "5s": 5.0}


# What an image is and how far two are apart.


def gray_of(clip, frame):
    return clip.columns[GRAY.key][frame].astype(float).ravel()


def hue_of(clip, frame):
    return clip.columns[HUE.key][frame].astype(float)


def rms(a, b):
    return math.sqrt(fmean((a - b) ** 2))


def l1(a, b):
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


FAMILIES = {"hue": (hue_of, l1, 2.0, 0.5), "gray": (gray_of, rms, 255.0, 25.0)}


def nearest(clip, keys, family):
    """Distance of every frame to its nearest key frame."""
    row, distance, _, _ = FAMILIES[family]
    rows = [row(clip, t) for t in range(len(clip))]
    return [min(distance(rows[t], rows[k]) for k in keys) for t in range(len(clip))]


# Matching.


def precision_recall_f1(m, p, r):
    if p == r == 0:
        return 1.0, 1.0, 1.0
    return (m / p if p else 0.0), (m / r if r else 0.0), 2 * m / (p + r)


def most_pairs(allowed):
    if allowed.size == 0:
        return 0
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    return int(allowed[rows, columns].sum())


def first_free(allowed):
    """Every column in turn takes the first free row."""
    free, m = set(range(allowed.shape[0])), 0
    for column in range(allowed.shape[1]):
        row = next((r for r in sorted(free) if allowed[r, column]), None)
        if row is not None:
            free.remove(row)
            m += 1
    return m


def nearest_first(gaps, allowed):
    left = sorted((gaps[r, c], c, r) for r in range(gaps.shape[0]) for c in range(gaps.shape[1]) if allowed[r, c])
    rows, columns = set(), set()
    for _, c, r in left:
        if r not in rows and c not in columns:
            rows.add(r)
            columns.add(c)
    return len(rows)


# The metrics, by name in the registry.


def compression(summary, clip, annotation):
    k, n = len(summary), clip.video.n_frames
    per_min = k / (clip.video.duration_s / 60)
    return {"n_keyframes": k, "compression": (n - k) / n, "reduction": n / max(k, 1), "keyframes_per_min": per_min}


def cost(summary, clip, annotation):
    c = summary.cost
    total = c["decode_s"] + c["features_s"] + c["select_s"]
    return {**c, "total_s": total, "frames_per_s": clip.video.n_frames / total}


def coverage_time(summary, clip, annotation):
    def share(tau):
        return fmean(any(abs(t - k) <= tau + 1e-9 for k in summary.times) for t in clip.times)

    return {f"coverage_{s}": share(tau) for s, tau in TAUS.items()}


def coverage(family):
    def of(summary, clip, annotation):
        limit = FAMILIES[family][3]
        near = [d < limit for d in nearest(clip, summary.frames, family)] if len(summary) else [False]
        return {f"coverage_{family}": fmean(near)}

    return of


def fidelity(family):
    def of(summary, clip, annotation):
        d, largest = [FAMILIES[family][2]], FAMILIES[family][2]
        if len(summary):
            d = nearest(clip, summary.frames, family)
        return {f"fidelity_{family}": 1 - max(d) / largest, f"fidelity_mean_{family}": 1 - fmean(d) / largest}

    return of


def representativeness(family):
    def of(summary, clip, annotation):
        if not len(summary):
            return {f"represent_{family}": 0.0}
        rows = np.array([FAMILIES[family][0](clip, t) for t in range(len(clip))])
        kept = [(column - fmean(column)) / np.std(column) for column in rows.T if len(set(column)) > 1]
        z = np.array(kept).T if kept else np.zeros((len(rows), 1))
        d = [min(sum((z[t] - z[k]) ** 2) / z.shape[1] for k in summary.frames) for t in range(len(clip))]
        return {f"represent_{family}": math.exp(-fmean(d))}

    return of


def diversity(family):
    def of(summary, clip, annotation):
        rows = [FAMILIES[family][0](clip, k) for k in summary.frames]
        apart = []
        for i, a in enumerate(rows):
            for b in rows[:i]:
                lengths = math.sqrt(sum(a * a)) * math.sqrt(sum(b * b))
                apart.append(1 - sum(a * b) / lengths if lengths else float(any(a) or any(b)))
        return {f"diversity_{family}": fmean(apart) if apart else 0.0}

    return of


def redundancy(family):
    def of(summary, clip, annotation):
        row, distance, largest, _ = FAMILIES[family]
        rows = [row(clip, k) for k in summary.frames]
        alike = [[1 - distance(a, b) / largest for b in rows if b is not a] for a in rows]
        return {f"redundancy_{family}": fmean(max(a) for a in alike) if len(rows) > 1 else 0.0}

    return of


def srd(summary, clip, annotation):
    if not len(summary):
        return {"srd_db": 0.0, "srd_hold_db": 0.0}
    keys = sorted(summary.frames.tolist(), key=lambda k: (clip.times[k], k))
    blended, held = [], []
    for t in sorted(set(range(len(clip))) - set(keys)):
        picture = gray_of(clip, t)
        before = [k for k in keys if clip.times[k] <= clip.times[t]]
        after = [k for k in keys if clip.times[k] > clip.times[t]]
        left = gray_of(clip, before[-1] if before else after[0])
        blend = left
        if before and after:
            start, end = clip.times[before[-1]], clip.times[after[0]]
            share = (clip.times[t] - start) / (end - start)
            blend = (1 - share) * left + share * gray_of(clip, after[0])
        for values, made in ((blended, blend), (held, left)):
            values.append(10 * math.log10(255**2 / max(fmean((picture - made) ** 2), 1 / 12)))
    perfect = 10 * math.log10(255**2 * 12)
    return {"srd_db": fmean(blended or [perfect]), "srd_hold_db": fmean(held or [perfect])}


def degenerate(summary, clip, annotation):
    return {"hue_flat": fmean(max(hue_of(clip, t)) > 0.99999 for t in range(len(clip)))}


def shots(summary, clip, annotation):
    counts = [sum(start <= k < end for k in summary.frames) for start, end in annotation.shots]
    inside = np.array([[start <= k < end for k in summary.frames] for start, end in annotation.shots])
    f1 = 2 * most_pairs(inside) / (len(summary.frames) + len(annotation.shots))
    return {"shot_recall": fmean(c > 0 for c in counts), "shot_f1": f1, "keyframes_per_shot": fmean(counts)}


def events(summary, clip, annotation):
    """Every frame in turn: a key frame after the first opens or goes on with a clip, ten seconds without close it."""
    length, times = clip.video.duration_s, clip.times
    end = max(times[0] + length, times[-1])
    steps = [b - a for a, b in pairwise(times) if b > a]
    usual = median(steps) if steps else math.inf
    clips = []  # first and last key frame, when it ends
    for n in [n for n in range(1, len(clip)) if n in summary.frames]:
        shown_until = min(times[n + 1] if n + 1 < len(clip) else end, times[n] + usual)
        if not clips or times[n] > times[clips[-1][1]] + 10 + 1e-9:
            clips.append([n, n, 0.0])
        clips[-1][1:] = n, min(max(times[n] + 10, shown_until), end)
    everything = range(len(clip))
    held = [{n for n in everything if times[n] >= times[a] and (n <= b or times[n] < stop)} for a, b, stop in clips]
    theirs = [set(range(first, stop)) for first, stop in annotation.events]
    everywhere = set().union(*held)
    false = sum(not any(its & event for event in theirs) for its in held)
    return {
        "event_recall": fmean(bool(event & everywhere) for event in theirs),
        "event_covered": fmean(len(event & everywhere) / len(event) for event in theirs),
        "false_clips_per_h": false / (length / 3600),
        "n_clips": len(clips),
        "saved_duration_ratio": sum(stop - times[a] for a, _, stop in clips) / length,
    }


def repetition(summary, clip, annotation):
    seen, repeated = set(), 0
    for k in summary.frames:
        its = {i for i, (start, end) in enumerate(annotation.shots) if start <= k < end}
        repeated += bool(its) and its <= seen
        seen |= its
    counts = [sum(start <= k < end for k in summary.frames) for start, end in annotation.shots]
    hit = [c for c in counts if c]
    return {"repeated_shot": repeated / max(1, len(summary)), "keyframes_per_hit_shot": fmean(hit) if hit else 0.0}


def with_key_frames(users):
    return [user for user in users if user.frames.size > 0]


def zeros(name):
    return dict.fromkeys(Metric.registry.get(name).columns, 0.0)


def scenes(summary, clip, annotation):
    return scene_loops(summary.times.tolist(), [scene.tolist() for scene in annotation.scenes])


def scene_loops(times, scenes):
    """KFS-Bench's numbers of key frames at ``times``, one question."""

    def lies_in(t, scene):
        return any(start <= t <= end for start, end in scene)

    hits = sum(any(lies_in(t, scene) for scene in scenes) for t in times)
    c = [sum(lies_in(t, scene) for t in times) for scene in scenes]
    length = [sum(end - start for start, end in scene) for scene in scenes]
    due = [max(1, math.floor(min(its / sum(length) * hits, hits / len(scenes)))) for its in length]
    recall, similarity = fmean(a >= b for a, b in zip(c, due, strict=True)), 0.0
    for tenth in range(11):
        w = [its ** (tenth / 10) for its in length]
        if hits:
            similarity = max(similarity, sum(map(math.prod, zip(c, w, strict=True))) / math.hypot(*c) / math.hypot(*w))
    rate = hits / len(times) if times else 0.0
    return {
        "key_frame_rate": rate,
        "scene_hit_rate": fmean(a > 0 for a in c),
        "scene_recall": recall,
        "scene_similarity": similarity,
        "ukss": max((rate * recall * similarity) ** (1 / 3), 0.01),
    }


def annotators(summary, clip, annotation):
    n = len(with_key_frames(annotation.users))
    return {"n_users": n, "n_users_empty": len(annotation.users) - n}


def temporal(summary, clip, annotation):
    numbers, users = {}, with_key_frames(annotation.users)
    if not users:
        return zeros("temporal")
    for suffix, tau in TAUS.items():
        scores, greedy = [], []
        for user in users:
            gaps = np.array([[abs(a - b) for b in user.times] for a in summary.times]).reshape(len(summary), len(user))
            gaps = gaps.round(6)
            scores.append(precision_recall_f1(most_pairs(gaps <= tau), len(summary), len(user)))
            greedy.append(precision_recall_f1(nearest_first(gaps, gaps <= tau), len(summary), len(user))[2])
        for name, values in zip(("p", "r", "f1"), zip(*scores, strict=True), strict=True):
            numbers |= {f"{name}_{suffix}": fmean(values), f"{name}_{suffix}_max": max(values)}
        numbers |= {f"f1_{suffix}_greedy": fmean(greedy), f"f1_{suffix}_greedy_max": max(greedy)}
    a, b, c, d = (numbers[f"f1_{suffix}"] for suffix in TAUS)
    numbers["f1_area"] = ((a + b) / 2 * 0.5 + (b + c) / 2 * 1.0 + (c + d) / 2 * 3.0) / 4.5
    return numbers


def cus(suffix, row):
    def of(summary, clip, annotation):
        own = [row(clip, k) for k in summary.frames]
        greedy, best, theirs, bound = [], [], [], []
        users = with_key_frames(annotation.users)
        if not users:
            return zeros("cus" + suffix)
        for user in users:
            bound.append(2 * min(len(own), len(user.frames)) / (len(own) + len(user.frames)))
            rows = [row(clip, k) for k in user.frames]
            theirs += rows
            near = np.array([[l1(a, b) < 0.5 - 1e-6 for b in rows] for a in own]).reshape(len(own), len(rows))
            for scores, m in ((greedy, first_free(near)), (best, most_pairs(near))):
                extra = (len(own) - m) / len(rows)
                scores.append((*precision_recall_f1(m, len(own), len(rows)), extra))
        (p, r, f, e), (_, r_most, f_most, e_most) = zip(*greedy, strict=True), zip(*best, strict=True)
        flat = [max(h) > 0.99999 for h in own + theirs]
        numbers = {
            "cus_a": fmean(r), "cus_e": fmean(e), "cus_p": fmean(p), "cus_p_max": max(p), "cus_r": fmean(r),
            "cus_r_max": max(r), "cus_f": fmean(f), "cus_f_max": max(f), "cus_a_optimal": fmean(r_most),
            "cus_e_optimal": fmean(e_most), "cus_f_optimal": fmean(f_most), "cus_f_optimal_max": max(f_most),
            "cus_flat": fmean(flat) if flat else 0.0, "cus_f_bound": fmean(bound),
        }  # fmt: skip
        return {name + suffix: value for name, value in numbers.items()}

    return of


def gray_levels(clip, frame):
    counts = [0] * 16
    for level in gray_of(clip, frame):
        counts[int(level) // 16] += 1 / (18 * 32)
    return np.array(counts)


REFERENCES = {
    "annotators": annotators,
    "compression": compression,
    "cost": cost,
    "coverage_gray": coverage("gray"),
    "coverage_hue": coverage("hue"),
    "coverage_time": coverage_time,
    "cus": cus("", hue_of),
    "cus_gray": cus("_gray", gray_levels),
    "degenerate": degenerate,
    "diversity_gray": diversity("gray"),
    "diversity_hue": diversity("hue"),
    "events": events,
    "fidelity_gray": fidelity("gray"),
    "fidelity_hue": fidelity("hue"),
    "redundancy_gray": redundancy("gray"),
    "redundancy_hue": redundancy("hue"),
    "repetition": repetition,
    "representativeness_gray": representativeness("gray"),
    "representativeness_hue": representativeness("hue"),
    "scenes": scenes,
    "shots": shots,
    "srd": srd,
    "temporal": temporal,
}

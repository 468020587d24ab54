"""Writes answers.jsonl: answers over the snapshots of ../explain with the truth of each claim.

The truth is worked out from the table in docs/explain.md and from nothing of the verifier's code. Drawn with a fixed seed:
`python3 oracle.py > answers.jsonl` gives the same file again.
"""
import json
import pathlib
import random

HERE = pathlib.Path(__file__).parent
RANDOM = random.Random(20240603)
NAMES = sorted(path.stem for path in (HERE.parent / "explain").glob("*.json"))
CATEGORIES = ["credential_stuffing", "vulnerability_scan", "monitoring", "swarm_member", "price_watch", "faceted_crawl",
              "catalogue_scrape", "unclear"]


def unlike(item):
    value, median, tails = item["value"], item["baseline"]["median"], item["baseline"]["tails"]
    if tails:
        return not tails[0] <= value <= tails[1]
    if item["unit"] == "share":
        return abs(value - median) >= 0.15
    return (value > 1.5 * median and value > median + 0.1) or value < median / 1.5 - 0.001


def judge(snapshot, claim):
    items = {item["id"]: item for item in snapshot["evidence"]}
    paths = {path["id"]: path for path in snapshot["paths"]["top"]}
    kind = claim["predicate"]
    for key in ("e", "e1", "e2"):
        if key in claim and claim[key] not in items:
            return "unknown_id"
    if kind in ("above_baseline", "below_baseline"):
        item = items[claim["e"]]
        difference = item["value"] - item["baseline"]["median"]
        if (difference > 0) if kind == "above_baseline" else (difference < 0):
            return "kept" if unlike(item) else "weak"
        return "false"
    if kind == "ratio_of":
        item = items[claim["e"]]
        median = item["baseline"]["median"]
        if median <= 0 or item["value"] < claim["at_least"] * median:
            return "false"
        return "kept" if claim["at_least"] >= 1.5 and unlike(item) else "weak"
    if kind == "co_occurs":
        if claim["e1"] == claim["e2"]:
            return "weak"
        return "kept" if unlike(items[claim["e1"]]) and unlike(items[claim["e2"]]) else "false"
    if kind == "drives_score":
        weights = [item["attribution"] for item in snapshot["evidence"] if item["attribution"] > 0]
        weight = items[claim["e"]]["attribution"]
        return "kept" if weight > 0 and weight >= sum(weights) / 5 else "false"
    if kind == "decides":
        return "kept" if items[claim["e"]]["threshold"] is not None else "false"
    if kind == "periodic":
        features = snapshot["features"]
        return "kept" if features["phase_coherence"] >= 0.9 and features["beacon_score"] >= 0.8 else "false"
    if kind == "many_alike":
        if snapshot["alike"]["clients"]["total"] < claim["at_least"]:
            return "false"
        return "kept" if claim["at_least"] >= 3 else "weak"
    if claim["template"] not in paths:
        return "unknown_id"
    if paths[claim["template"]]["count"] / snapshot["paths"]["samples"] < claim["at_least"]:
        return "false"
    return "kept" if claim["at_least"] >= 0.2 else "weak"


def tells(claim):
    kind = claim["predicate"]
    if kind == "ratio_of":
        kind = "above_baseline"
    cited = sorted(claim[key] for key in ("e", "e1", "e2", "template") if key in claim)
    return (kind, *cited)


def draw(snapshot):
    ids = [item["id"] for item in snapshot["evidence"]]
    kind = RANDOM.choice(["above_baseline", "below_baseline", "ratio_of", "ratio_of", "co_occurs", "drives_score", "decides",
                          "periodic", "many_alike", "path_share"])
    claim = {"predicate": kind}
    if kind in ("above_baseline", "below_baseline", "ratio_of", "drives_score", "decides"):
        claim["e"] = RANDOM.choice(ids + ids[:2] + ["e13"])
    if kind == "ratio_of":
        item = next((item for item in snapshot["evidence"] if item["id"] == claim["e"]), None)
        median = item["baseline"]["median"] if item else 0
        ratio = item["value"] / median if median else 10
        claim["at_least"] = round(ratio * RANDOM.choice([0.3, 0.8, 0.98, 1.02, 1.3, 3]) + RANDOM.choice([0, 0.001]), 3)
    if kind == "co_occurs":
        claim["e1"], claim["e2"] = RANDOM.choice(ids), RANDOM.choice(ids)
    if kind == "many_alike":
        claim["at_least"] = RANDOM.choice([1, 2, 3, 5, 10, 11, 40])
    if kind == "path_share":
        claim["template"] = RANDOM.choice([path["id"] for path in snapshot["paths"]["top"]] + ["p9"])
        claim["at_least"] = RANDOM.choice([0.05, 0.2, 0.25, 0.5, 0.75, 0.9, 1])
    return claim


def facts(snapshot):
    shown = dict(snapshot["features"])
    shown["requests"] = 2 ** shown["requests"] - 1
    urls = max(1, round(shown["lifetime_url_ratio"] * shown["requests"]))
    span = snapshot["window"]["to"] - snapshot["window"]["from"]
    return shown, urls, span, snapshot["alike"]["clients"]["total"]


def holds(snapshot, category):
    f, urls, span, alike = facts(snapshot)
    against = snapshot["score"] >= snapshot["policy"]["suspect"] or bool(snapshot["marks"])
    rules = {
        "credential_stuffing": f["post_share"] >= 0.5 and f["client_error_share"] >= 0.2 and f["distinct_path_ratio"] <= 0.3
        and urls <= 20,
        "vulnerability_scan": f["client_error_share"] >= 0.5 and urls >= 5,
        "monitoring": f["phase_coherence"] >= 0.9 and f["beacon_score"] >= 0.8 and urls <= 5 and f["client_error_share"] <= 0.2
        and f["post_share"] <= 0.1,
        "swarm_member": alike >= 10 and f["client_error_share"] <= 0.5 and f["post_share"] <= 0.5,
        "price_watch": f["lifetime_url_ratio"] <= 0.5 and urls >= 6 and span >= 1800 and f["asset_share"] <= 0.3
        and f["client_error_share"] <= 0.3 and f["post_share"] <= 0.1,
        "faceted_crawl": f["query_share"] >= 0.6 and f["query_diversity"] >= 0.5 and f["lifetime_url_ratio"] >= 0.3
        and f["distinct_path_ratio"] <= 0.5 and f["post_share"] <= 0.1,
        "catalogue_scrape": f["distinct_path_ratio"] >= 0.5 and f["lifetime_url_ratio"] >= 0.6 and urls >= 8
        and f["query_share"] <= 0.5 and f["client_error_share"] <= 0.5 and f["post_share"] <= 0.1,
    }
    if category == "unclear":
        return not (against and any(rules.values()))
    return against and rules[category]


def main():
    for name in NAMES:
        snapshot = json.loads((HERE.parent / "explain" / f"{name}.json").read_text())
        for number in range(13):
            category = CATEGORIES[number % len(CATEGORIES)]
            claims = [draw(snapshot) for _ in range(3)]
            if number % 6 == 5:
                claims[2] = dict(claims[0])
            truth, told = [], set()
            for claim in claims:
                verdict = judge(snapshot, claim)
                if verdict == "kept" and tells(claim) in told:
                    verdict = "duplicate"
                if verdict == "kept":
                    told.add(tells(claim))
                truth.append(verdict)
            print(json.dumps({"snapshot": name, "answer": {"category": category, "claims": claims}, "truth": truth,
                              "category": holds(snapshot, category)}))


main()

"""Makes cron-table.json: every moment of some schedules in some time zones over three years.

A second opinion on src/adapters/cron, which shares nothing with it: the standard library's zoneinfo, and every minute of UTC
looked at in turn. Run `python3 test/sim/cron-table.py` to make the table again.
"""

import json
import os
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

SPANS = {
    "UTC": (2023, 2026),
    "Europe/Berlin": (2023, 2026),
    "America/New_York": (2023, 2026),
    "Australia/Lord_Howe": (2023, 2026),
    "Africa/Cairo": (2023, 2026),
    "Africa/Casablanca": (2023, 2026),
    "Pacific/Apia": (2010, 2013),
}

# minute, hour, day, month, weekday (0 is Sunday), all as sets or None for `*`; seconds; whether it goes by elapsed time.
PATTERNS = {
    "30 2 * * *": ({30}, {2}, None, None, None, [0], False),
    "0 0 * * *": ({0}, {0}, None, None, None, [0], False),
    "15 1 * * *": ({15}, {1}, None, None, None, [0], False),
    "0 2,3 1,15,28-31 * *": ({0}, {2, 3}, {1, 15, 28, 29, 30, 31}, None, None, [0], False),
    "0 9 * * MON-FRI": ({0}, {9}, None, None, {1, 2, 3, 4, 5}, [0], False),
    "45 1 13 * FRI": ({45}, {1}, {13}, None, {5}, [0], False),
    "0 12 29 2 *": ({0}, {12}, {29}, {2}, None, [0], False),
    "5,35 2 * 3,4,9,10,11 0": ({5, 35}, {2}, None, {3, 4, 9, 10, 11}, {0}, [0], False),
    "0,30 10,40 2 * * SUN": ({10, 40}, {2}, None, None, {0}, [0, 30], False),
    "0 * * * *": ({0}, None, None, None, None, [0], True),
    "30 * * * *": ({30}, None, None, None, None, [0], True),
    "*/15 * * * *": ({0, 15, 30, 45}, None, None, None, None, [0], True),
    "*/20 2 * * SUN": ({0, 20, 40}, {2}, None, None, {0}, [0], True),
    "0 */6 * * *": ({0}, {0, 6, 12, 18}, None, None, None, [0], True),
    "@hourly": ({0}, None, None, None, None, [0], True),
}

EPOCH = datetime(1970, 1, 1)


def fits(pattern, local):
    minutes, hours, days, months, weekdays, _, _ = pattern
    if local.minute not in minutes or (hours is not None and local.hour not in hours):
        return False
    if months is not None and local.month not in months:
        return False
    weekday = (local.weekday() + 1) % 7
    if days is not None and weekdays is not None:
        return local.day in days or weekday in weekdays
    return (days is None or local.day in days) and (weekdays is None or weekday in weekdays)


def walk(name, first, last):
    zone = ZoneInfo(name)
    moments = {cron: [] for cron in PATTERNS}
    changes = []
    minute = timedelta(minutes=1)
    utc = datetime(first, 1, 1, tzinfo=timezone.utc)
    before = (utc - minute).astimezone(zone)
    while utc.year < last:
        local = utc.astimezone(zone)
        at = int(utc.timestamp())
        jumped = []
        if local.utcoffset() != before.utcoffset():
            changes.append(at)
            shown = before.replace(tzinfo=None, fold=0) + minute
            while shown < local.replace(tzinfo=None, fold=0):
                jumped.append(shown)
                shown += minute
        for cron, pattern in PATTERNS.items():
            seconds, elapsed = pattern[5], pattern[6]
            if not elapsed and any(fits(pattern, shown) for shown in jumped):
                moments[cron].append(at)
            if fits(pattern, local) and (elapsed or local.fold == 0):
                moments[cron].extend(at + s for s in seconds if not moments[cron] or moments[cron][-1] < at + s)
        before = local
        utc += minute
    return moments, changes


def packed(moments):
    """The first, then the distances as [seconds, how many times]."""
    runs = []
    for before, after in zip(moments, moments[1:]):
        if runs and runs[-1][0] == after - before:
            runs[-1][1] += 1
        else:
            runs.append([after - before, 1])
    return {"first": moments[0] if moments else None, "then": [n for run in runs for n in run]}


def main():
    zones = []
    for name, (first, last) in SPANS.items():
        moments, changes = walk(name, first, last)
        begin = int((datetime(first, 1, 1) - EPOCH).total_seconds())
        end = int((datetime(last, 1, 1) - EPOCH).total_seconds())
        schedules = [{"cron": cron, "count": len(found), **packed(found)} for cron, found in moments.items()]
        zones.append({"zone": name, "from": begin, "to": end, "changes": changes, "schedules": schedules})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cron-table.json")
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(zone, separators=(",", ":")) for zone in zones) + "\n]\n")


main()

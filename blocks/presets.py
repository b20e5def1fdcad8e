"""Named settings: pool sizes, and profiles that set pool and fetching together.

The values are those that operators of such indexers start from; a block made
from a preset is an ordinary block whose fields may then be changed.
"""

from typing import Literal, NamedTuple, TypedDict

PoolPreset = Literal["low", "medium", "high"]
ProfileName = Literal["development", "production", "high-load"]


class PoolValues(TypedDict):
    """Fields of a ConnectionPool."""

    max_idle: int
    max_open: int
    max_lifetime_s: float
    max_idle_s: float


class Profile(NamedTuple):
    """What a profile sets: events per batch, parallel calls, pool preset."""

    batch_size: int
    max_workers: int
    pool: PoolPreset


POOLS: dict[PoolPreset, PoolValues] = {
    "low": {"max_idle": 5, "max_open": 25, "max_lifetime_s": 1800, "max_idle_s": 300},
    "medium": {"max_idle": 10, "max_open": 100, "max_lifetime_s": 3600, "max_idle_s": 600},
    "high": {"max_idle": 50, "max_open": 200, "max_lifetime_s": 7200, "max_idle_s": 1800},
}

PROFILES: dict[ProfileName, Profile] = {
    "development": Profile(batch_size=500, max_workers=5, pool="low"),
    "production": Profile(batch_size=1000, max_workers=10, pool="medium"),
    "high-load": Profile(batch_size=2000, max_workers=20, pool="high"),
}

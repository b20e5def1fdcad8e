"""Profiles: named settings of both blocks to start from; their fields may then be changed."""

from typing import Literal, NamedTuple

PoolPreset = Literal["low", "medium", "high"]
ProfileName = Literal["development", "production", "high-load"]


class Profile(NamedTuple):
    """What a profile sets: events per batch, concurrent calls, preset of the pool."""

    batch_size: int
    max_workers: int
    pool: PoolPreset


#: The blocks' defaults are those of `production`.
PROFILES: dict[ProfileName, Profile] = {
    "development": Profile(batch_size=500, max_workers=5, pool="low"),
    "production": Profile(batch_size=1000, max_workers=10, pool="medium"),
    "high-load": Profile(batch_size=2000, max_workers=20, pool="high"),
}

"""A small model of what a user's sessions and tokens may do: the decision table once more, in a few plain lines.

It knows nothing of rows, MACs or statements. A refresh token is (session, generation), an access token what the session
and its user were when it was made.
"""

from dataclasses import dataclass, field

from jotgate.jose import Claims

GRACE, RECOVERY = 30, 86400
IDLE, ABSOLUTE = 14 * 86400, 30 * 86400
NEWEST = 100


@dataclass
class Person:
    """Somebody; `changes` counts what makes their older access tokens stale."""

    email: str
    password: str
    roles: tuple[str, ...] = ()
    disabled: bool = False
    changes: int = 0


@dataclass
class Family:
    """A session: `generation` is the newest refresh token's, `parent` the one that it was made from."""

    owner: Person
    opened_at: int
    rotated_at: int
    generation: int = 0
    parent: int = -1
    closed: bool = False
    earlier: list[tuple[int, int, int]] = field(default_factory=list)  # what a power cut may bring back

    def is_over(self, now: int) -> bool:
        return self.closed or now >= self.opened_at + ABSOLUTE or now >= self.rotated_at + IDLE

    def present(self, generation: int, *, now: int) -> str:
        """What presenting this generation does: `refused`, `replayed`, `repeated` or `moved`; and do it."""
        if self.is_over(now) or generation > self.generation + NEWEST:
            return "refused"
        age = now - self.rotated_at
        if generation >= self.generation:
            self._move(generation + 1, parent=generation, now=now)
        elif generation == self.parent and age <= GRACE:
            return "repeated"
        elif generation == self.parent and age <= RECOVERY and self.generation == self.parent + 1:
            self._move(self.generation + 1, parent=self.parent, now=now)
        else:
            self.closed = True
            return "replayed"
        return "moved"

    def forget(self) -> None:
        """A power cut takes the last rotation back."""
        self.generation, self.parent, self.rotated_at = self.earlier.pop()

    def _move(self, generation: int, *, parent: int, now: int) -> None:
        self.earlier.append((self.generation, self.parent, self.rotated_at))
        self.generation, self.parent, self.rotated_at = generation, parent, now


@dataclass(frozen=True)
class Access:
    """An access token as a guard sees it, with what the model knew when it was made."""

    family: Family
    changes: int
    claims: Claims

    def is_dead(self) -> bool:
        return self.family.closed or self.changes < self.family.owner.changes

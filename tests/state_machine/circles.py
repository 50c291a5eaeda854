"""Friends and projects of the reference: who applied to whom, who works with whom. People are all that it knows."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Someone = TypeVar("Someone")


@dataclass(eq=False)
class Project(Generic[Someone]):
    """A project; its members stand in the order in which they joined."""

    id: int
    name: str
    owner: Someone
    members: list[Someone]

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass
class Circles(Generic[Someone]):
    """Relations, in the order in which they came about.

    friendships: both directions. applications: applicant and recipient. invitations: project, inviter and invitee.
    projects: gone ones among them, which have no member any more. gone: who has left.
    """

    friendships: list[tuple[Someone, Someone]] = field(default_factory=list)
    applications: list[tuple[Someone, Someone]] = field(default_factory=list)
    projects: list[Project[Someone]] = field(default_factory=list)
    invitations: list[tuple[Project[Someone], Someone, Someone]] = field(default_factory=list)
    gone: list[Someone] = field(default_factory=list)

    def friends_of(self, person: Someone) -> list[Someone]:
        """Return friends, the oldest first."""
        return [friend for one, friend in self.friendships if one is person]

    def applicants_to(self, person: Someone) -> list[Someone]:
        """Return who waits for an answer, the oldest application first."""
        return [applicant for applicant, recipient in self.applications if recipient is person]

    def apply(self, applicant: Someone, recipient: Someone | None) -> bool:
        """Ask for friendship."""
        if recipient is None or recipient is applicant or (applicant, recipient) in self.friendships:
            return False
        if (applicant, recipient) not in self.applications:
            self.applications.append((applicant, recipient))
        return True

    def answer(self, recipient: Someone, applicant: Someone | None, accept: bool) -> bool:
        """Accept or deny an application; who accepts has his own one answered too."""
        if applicant is None or (applicant, recipient) not in self.applications:
            return False
        self.applications.remove((applicant, recipient))
        if accept:
            self.applications = [pair for pair in self.applications if pair != (recipient, applicant)]
            self.friendships += [(applicant, recipient), (recipient, applicant)]
        return True

    def invite(self, inviter: Someone, project: Project[Someone], friend: Someone | None, everybody: bool) -> bool:
        """Invite a friend, or all that are no members."""
        friends = self.friends_of(inviter)
        if inviter not in project.members or not (everybody or (friend in friends and friend not in project.members)):
            return False
        invited = [invitee for pending, _, invitee in self.invitations if pending is project]
        for one in friends:
            if (everybody or one is friend) and one not in project.members and one not in invited:
                self.invitations.append((project, inviter, one))
        return True

    def answer_invitation(self, invitee: Someone, project: Project[Someone], accept: bool) -> bool:
        """Accept or deny an invitation."""
        pending = [one for one in self.invitations if one[0] is project and one[2] is invitee]
        for one in pending:
            self.invitations.remove(one)
        if pending and accept:
            project.members.append(invitee)
        return bool(pending)

    def leave(self, person: Someone) -> None:
        """Forget a person; his projects go to who has been a member for longest, or go with him."""
        self.gone.append(person)
        self.friendships = [pair for pair in self.friendships if person not in pair]
        self.applications = [pair for pair in self.applications if person not in pair]
        for project in self.projects:
            if person in project.members:
                project.members.remove(person)
            if project.owner is person and project.members:
                project.owner = project.members[0]
        self.invitations = [one for one in self.invitations if person not in one and one[0].members]

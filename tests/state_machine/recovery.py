"""Setting a new password by a code or a link: the newest, in time, at the place where it was sent, once."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.state_machine.accounts import Accounts
from tests.state_machine.driver import choose, emails, mobiles, passwords
from tests.state_machine.reference import Person

LINK_LENGTH = 32


class Recovery(Accounts):
    """What people do who forgot their password."""

    def links(self) -> list[str]:
        """Return the secrets of all links that were mailed."""
        return [secret for secret in self.secrets if len(secret) == LINK_LENGTH]

    @rule(
        mobile=choose(lambda it: [one.mobile for one in it.reference.people if one.mobile] or ["13345587001"]) | mobiles
    )
    def request_code(self, mobile: str) -> None:
        answer = self.indexy.request_code(mobile)
        self.agree(answer, self.reference.send_code(mobile, self.secrets[-1]), self.indexy)

    @precondition(lambda self: any(person.mobile for person in self.reference.people))
    @rule(
        person=choose(lambda it: [person for person in it.reference.people if person.mobile]),
        fresh=st.booleans(),
        guesses=st.sampled_from([0, 0, 1, 4, 5]),
        elsewhere=st.none() | mobiles,
        new=passwords,
    )
    def recover_by_mobile(self, person: Person, fresh: bool, guesses: int, elsewhere: str | None, new: str) -> None:
        """Use a code, one that was just sent or an earlier one; after guessing; at another number."""
        if fresh:
            self.request_code(str(person.mobile))
        mobile = elsewhere or str(person.mobile)
        for told in ["000000"] * guesses + [person.code.secret if person.code else "999999"]:
            recovered = self.reference.redeem_code(mobile, told, new)
            self.agree(self.indexy.recover_by_mobile(mobile, told, new), recovered, self.indexy)

    @rule(
        email=choose(
            lambda it: [one.email.upper() for one in it.reference.people if one.email] or ["nobody@example.com"]
        )
        | emails
    )
    def request_link(self, email: str) -> None:
        before = len(self.secrets)
        answer = self.indexy.request_link(email)
        secret = self.secrets[-1] if len(self.secrets) > before else ""
        self.agree(answer, self.reference.send_link(email, secret), self.indexy)

    @precondition(lambda self: self.links())
    @rule(link=choose(lambda it: it.links()[-2:]), new=passwords)
    def recover_by_link(self, link: str, new: str) -> None:
        """Use a link, now and then one that was used before."""
        recovered = self.reference.redeem_link(link, new)
        assert self.indexy.recover_by_link(link, new).status_code == (200 if recovered else 400)

    @invariant()
    def links_are_good_where_they_should_be(self) -> None:
        for link in self.links()[-2:]:
            good = self.reference.owner_of_link(link) is not None
            assert self.indexy.show_reset_form(link).status_code == (200 if good else 400)

"""What the directory refuses, and why. No HTTP here: each contract has its own words in its `fail()`.

DirectoryError
├── WrongCredentials
│   └── UsernameChanged
├── WrongPassword
├── SamePassword
├── PasswordRefused
│   ├── PasswordTooShort
│   ├── PasswordGuessable
│   └── PasswordIsUsername
├── AlreadyLoggedIn
├── InvalidSession
├── PermissionDenied
├── AccountNotFound
├── AccountAmbiguous
├── Taken
│   ├── UsernameTaken
│   │   └── UsernameReserved
│   ├── EmailTaken
│   └── MobileTaken
├── Oneself
├── AlreadyFriends
├── NotFriends
├── AlreadyMember
├── TooManyFriends
├── TooManyApplications
├── TooManyInvitations
├── RequestNotFound
├── ProjectNotFound
├── NotAMember
├── BadGraph
├── WrongCode
│   └── NoCode
├── WrongConfirmation
│   └── NothingToTry
├── NothingToConfirm
├── WrongLink
├── EmailUnknown
├── KeyNotFound
├── KeyTaken
├── BadKey
├── BadHash
├── StoreForeign
├── StoreInUse
├── StoreTooNew
└── StoreUnsound
"""


class DirectoryError(Exception):
    """Base of all refusals.

    keeps_changes: what the verb wrote before it refused is committed all the same (a counted try, for one).
    guessed: a secret or a name was tried out, and what was learnt of it is worth something; such tries are limited.
    """

    keeps_changes = False
    guessed = False


class WrongCredentials(DirectoryError):
    """Raised when no enabled account has this name and password."""

    guessed = True


class UsernameChanged(WrongCredentials):
    """Raised when the password is right, and the username has become another. username: what it is now."""

    guessed = False

    def __init__(self, username: str = "") -> None:
        super().__init__(f"the username is {username} now")
        self.username = username


class WrongPassword(DirectoryError):
    """Raised when the current password given for a change is not the account's."""

    guessed = True


class SamePassword(DirectoryError):
    """Raised when the new password equals the current one."""


class PasswordRefused(DirectoryError):
    """Base of the refusals of a password that is to be set."""


class PasswordTooShort(PasswordRefused):
    """Raised when a password that is to be set has too few characters. shortest: how many it needs."""

    def __init__(self, shortest: int = 1) -> None:
        super().__init__(f"a password has at least {shortest} characters")
        self.shortest = shortest


class PasswordGuessable(PasswordRefused):
    """Raised when a password that is to be set is among those that are guessed first."""


class PasswordIsUsername(PasswordRefused):
    """Raised when a password that is to be set is the account's username."""


class AlreadyLoggedIn(DirectoryError):
    """Raised when a live session asks to log in again."""


class InvalidSession(DirectoryError):
    """Raised when a token or cookie names no live session of its contract."""


class PermissionDenied(DirectoryError):
    """Raised when a caller reaches for what belongs to somebody else."""


class AccountNotFound(DirectoryError):
    """Raised when no account has this id or username."""

    guessed = True


class AccountAmbiguous(DirectoryError):
    """Raised when what was said names several accounts; the text says which."""


class Taken(DirectoryError):
    """Base of the refusals where a unique value belongs to another account."""

    guessed = True


class UsernameTaken(Taken):
    """Raised when another account has this username."""


class UsernameReserved(UsernameTaken):
    """Raised when the username is a path word of a contract."""


class EmailTaken(Taken):
    """Raised when another account has this e-mail address."""


class MobileTaken(Taken):
    """Raised when another account has this mobile number."""


class Oneself(DirectoryError):
    """Raised when an account applies for its own friendship."""


class AlreadyFriends(DirectoryError):
    """Raised when two friends apply again."""


class NotFriends(DirectoryError):
    """Raised when an act needs a friendship that does not exist."""


class AlreadyMember(DirectoryError):
    """Raised when a member of a project is invited to it."""


class TooManyFriends(DirectoryError):
    """Raised when either of two who are to be friends has as many as an account may have."""


class TooManyApplications(DirectoryError):
    """Raised when as many applications wait for the recipient, or for answers to the applicant, as may."""


class TooManyInvitations(DirectoryError):
    """Raised when as many invitations wait for the invitee as may."""


class RequestNotFound(DirectoryError):
    """Raised when there is no application or invitation to answer."""


class ProjectNotFound(DirectoryError):
    """Raised when no project has this id."""


class NotAMember(DirectoryError):
    """Raised when a project is used by an account that is not its member."""


class BadGraph(DirectoryError):
    """Raised when entities or triads of an import do not fit together; the text names the row."""


class WrongCode(DirectoryError):
    """Raised when a recovery code is wrong, used up or too old; the wrong try is counted all the same."""

    keeps_changes = True
    guessed = True


class NoCode(WrongCode):
    """Raised when no recovery code is live, or this caller has tried it too often: nothing was learnt by the try."""

    guessed = False


class WrongConfirmation(DirectoryError):
    """Raised when a code that is to prove an address is wrong, used up or too old; the try is counted all the same."""

    keeps_changes = True
    guessed = True


class NothingToTry(WrongConfirmation):
    """Raised when no code to prove an address is live, or this caller has tried it too often."""

    guessed = False


class NothingToConfirm(DirectoryError):
    """Raised when an address or number is to be proved that is not the account's."""


class WrongLink(DirectoryError):
    """Raised when a mailed link is unknown, used up or too old."""

    guessed = True


class EmailUnknown(DirectoryError):
    """Raised when a recovery is asked for at an e-mail address that nobody has."""


class KeyLost(DirectoryError):
    """Raised when an accesskey was encrypted by a key that the server does not have."""


class KeyNotFound(DirectoryError):
    """Raised when no access key has this accessid."""


class KeyTaken(DirectoryError):
    """Raised when another access key has this accessid."""


class BadKey(DirectoryError):
    """Raised when an accessid or an accesskey is not made of the characters that it may have."""


class BadHash(DirectoryError):
    """Raised when a password hash of another system cannot be taken over; the text says why."""


class StoreForeign(DirectoryError):
    """Raised when the store has somebody else's tables and none of ours; the text names one."""


class StoreTooNew(DirectoryError):
    """Raised when the store has steps that this version does not know; the text names the first."""


class StoreInUse(DirectoryError):
    """Raised when the store that another is to be copied into is not empty."""


class StoreUnsound(DirectoryError):
    """Raised when a copied store does not hold what must hold; the text says what."""

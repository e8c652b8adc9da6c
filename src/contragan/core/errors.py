"""Errors that are written for the person at the keyboard."""


class UserError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class ToldByFirst(UserError):
    """A UserError that the first of several processes raises too, and says."""

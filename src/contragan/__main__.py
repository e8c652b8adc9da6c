"""``python -m contragan`` is the ``contragan`` command."""

from contragan.cli import main

main()

"""``threading.local`` of a simulated program: attributes that each of its threads has for itself."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.twin.virtual.threads import Threads


def local_class(threads: Threads) -> type:
    """The class ``_thread._local`` of one program."""
    numbers = itertools.count()

    class _local:  # noqa: N801 - the name it has in Python
        __slots__ = ("__dict__", "__weakref__", "_local_arguments", "_local_number")

        def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
            if (args or kwargs) and cls.__init__ is object.__init__:
                raise TypeError("Initialization arguments are not supported")
            made = object.__new__(cls)
            object.__setattr__(made, "_local_arguments", (args, kwargs))
            object.__setattr__(made, "_local_number", next(numbers))
            threads.data()[object.__getattribute__(made, "_local_number")] = {}
            return made

        def __getattribute__(self, name: str) -> Any:
            _turn(self)
            return object.__getattribute__(self, name)

        def __setattr__(self, name: str, value: Any) -> None:
            _turn(self)
            object.__setattr__(self, name, value)

        def __delattr__(self, name: str) -> None:
            _turn(self)
            object.__delattr__(self, name)

    def _turn(self: Any) -> None:
        """Show the attributes of the running thread. No other one can come between: nothing here waits."""
        data = threads.data()
        number = object.__getattribute__(self, "_local_number")
        mine = data.get(number)
        first = mine is None
        if first:
            mine = data[number] = {}
        object.__setattr__(self, "__dict__", mine)
        if first:
            # An heir of the class is made anew in each thread that comes upon it.
            args, kwargs = object.__getattribute__(self, "_local_arguments")
            type(self).__init__(self, *args, **kwargs)

    return _local

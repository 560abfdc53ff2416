#!/usr/bin/env python3
"""The forwarder by coroutines does what the one on callbacks does."""
import forward
from support.programs import Program, main


def by_coroutines(name, *args, **kwargs):
    return Program(f"cpp/{name}", *args, **kwargs)


forward.Program = by_coroutines

if __name__ == "__main__":
    main(forward.half_close_both_ways, forward.resets, forward.nobody_there, forward.backpressure,
         forward.asyncio_behind_it)

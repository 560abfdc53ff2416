#!/usr/bin/env python3
"""Producers and consumers as coroutines do what those in C do."""
import producer_consumer
from support.programs import main, run


def in_cpp(name, *args, **kwargs):
    return run(f"cpp/{name}", *args, **kwargs)


producer_consumer.run = in_cpp

if __name__ == "__main__":
    main(producer_consumer.by_default, producer_consumer.other_numbers, producer_consumer.usage)

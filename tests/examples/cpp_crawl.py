#!/usr/bin/env python3
"""The crawler by coroutines answers as the one by callbacks does, in every case."""
import crawl
from support.programs import main, run


def by_coroutines(name, *args, **kwargs):
    return run(f"cpp/{name}", *args, **kwargs)


crawl.run = by_coroutines

if __name__ == "__main__":
    main(crawl.good_pages, crawl.by_name, crawl.bad_hosts, crawl.many_at_once, crawl.usage,
         crawl.a_directory_that_is_not_there)
